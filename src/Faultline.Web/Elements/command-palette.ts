import { LitElement, css, html, nothing } from 'lit';
import { customElement, query, state } from 'lit/decorators.js';
import { copyText } from './copy-button';
import { setTheme } from './theme';

interface Entry { label: string; hint: string; href?: string; run?: () => void }

const help: [string, string][] = [
  ['Ctrl K', 'Search, go anywhere'], ['/', 'Filter this page'], ['g then o c t m', 'Overview, Cases, Traces, Metrics'], ['g then l h a s', 'Logs, Changes, Audit, Settings'],
  ['j k', 'Next and previous row'], ['Enter', 'Open the row'], ['[ ]', 'Earlier and later'], ['Space', 'Pause or resume live updates'], ['Esc', 'Let go'], ['?', 'This help'],
];

/** <command-palette>: everything by keyboard: pages, services, a trace by its id, cases, actions; and the help on keys. */
@customElement('command-palette')
export class CommandPalette extends LitElement {
  static override styles = css`
    dialog { width: min(600px, calc(100vw - 32px)); margin: 12vh auto auto; padding: 0; border: 1px solid var(--line-strong); border-radius: 10px; background: var(--raised); color: var(--ink); box-shadow: var(--float); font: 400 14px/20px var(--font); overflow: hidden; }
    dialog::backdrop { background: rgb(8 10 14 / 45%); }
    input { width: 100%; box-sizing: border-box; height: 48px; padding: 0 16px; border: 0; border-bottom: 1px solid var(--line); background: transparent; color: var(--ink); font: 400 16px/24px var(--font); outline: none; }
    input::placeholder { color: var(--ink-3); opacity: 1; }
    ul { list-style: none; margin: 0; padding: 6px; max-height: 50vh; overflow: auto; }
    li { display: flex; align-items: center; gap: 12px; padding: 7px 10px; border-radius: 6px; cursor: pointer; font-size: 13px; }
    li[aria-selected='true'] { background: var(--selected); }
    li span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    li .hint { margin-left: auto; color: var(--ink-3); font-size: 12px; white-space: nowrap; }
    .none { color: var(--ink-2); padding: 16px; font-size: 13px; margin: 0; }
    h2 { font-size: 14px; line-height: 20px; margin: 0; padding: 14px 16px; border-bottom: 1px solid var(--line); }
    dl { display: grid; grid-template-columns: auto 1fr; gap: 8px 20px; margin: 0; padding: 16px; font-size: 13px; }
    dd { margin: 0; color: var(--ink-2); }
    kbd { font: 500 11px/18px var(--mono); border: 1px solid var(--line-strong); border-bottom-width: 2px; border-radius: 4px; padding: 0 6px; }
  `;
  @query('dialog') private dialog!: HTMLDialogElement;
  @query('input') private field?: HTMLInputElement;
  @state() private mode: 'go' | 'help' = 'go';
  @state() private text = '';
  @state() private at = 0;
  private fetched: Entry[] = [];

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('palette', event => { void this.open((event as CustomEvent<'go' | 'help'>).detail); });
  }

  private async open(mode: 'go' | 'help'): Promise<void> {
    this.mode = mode;
    this.text = '';
    this.at = 0;
    await this.updateComplete;
    if (!this.dialog.open) this.dialog.showModal();
    this.field?.focus();
    if (mode === 'go') void this.fetchEntries();
  }

  /** Services and cases are asked for when the palette opens, so that no page pays for them. */
  private async fetchEntries(): Promise<void> {
    // Pages and actions are there also when the server is not.
    const ask = <T>(path: string, none: T): Promise<T> => fetch(path).then(answer => answer.ok ? answer.json() as Promise<T> : none, () => none);
    const [services, cases] = await Promise.all([
      ask<{ services: { service: string }[] }>('/api/v1/services?from=now-24h', { services: [] }),
      ask<{ case_id: string; title?: string; state: string; service: string }[]>('/api/v1/cases', []),
    ]);
    this.fetched = [
      ...cases.slice(0, 50).map(one => ({ label: `${one.case_id}  ${one.title ?? one.service}`, hint: one.state.toLowerCase().replaceAll('_', ' '), href: `/cases/${one.case_id}` })),
      ...services.services.map(one => ({ label: `Traces of ${one.service}`, hint: 'service', href: `/traces?service=${encodeURIComponent(one.service)}` })),
    ];
    this.requestUpdate();
  }

  private get entries(): Entry[] {
    const words = this.text.trim().toLowerCase();
    const pages: Entry[] = [...document.querySelectorAll<HTMLAnchorElement>('.rail .links a')].map(link => ({ label: link.querySelector('span')?.textContent ?? '', hint: `g ${link.dataset['key']}`, href: link.href }));
    const actions: Entry[] = [
      { label: 'Light theme', hint: 'action', run: () => setTheme('light') },
      { label: 'Dark theme', hint: 'action', run: () => setTheme('dark') },
      { label: 'Theme of the system', hint: 'action', run: () => setTheme('system') },
      { label: 'Pause or resume live updates', hint: 'Space', run: () => document.querySelector<HTMLElement>('[data-live-toggle]')?.click() },
      { label: 'Copy a link to this view', hint: 'action', run: () => { void copyText(location.href); } },
    ];
    const found = [...pages, ...this.fetched, ...actions].filter(entry => words.split(/\s+/).every(word => entry.label.toLowerCase().includes(word)));
    if (/^[0-9a-f]{32}$/.test(words)) return [{ label: `Trace ${words}`, hint: 'open', href: `/traces/${words}` }];
    if (words) found.push({ label: `Traces with “${this.text.trim()}”`, hint: 'search', href: `/traces?q=${encodeURIComponent(this.text.trim())}` });
    return found.slice(0, 60);
  }

  private choose(entry: Entry | undefined): void {
    if (!entry) return;
    this.dialog.close();
    if (entry.href) location.assign(entry.href); else entry.run?.();
  }

  private key = (event: KeyboardEvent): void => {
    const count = this.entries.length;
    if (event.key === 'ArrowDown') this.at = (this.at + 1) % Math.max(1, count);
    else if (event.key === 'ArrowUp') this.at = (this.at - 1 + count) % Math.max(1, count);
    else if (event.key === 'Enter') this.choose(this.entries[this.at]);
    else return;
    event.preventDefault();
    void this.updateComplete.then(() => this.renderRoot.querySelector('[aria-selected="true"]')?.scrollIntoView({ block: 'nearest' }));
  };

  override render() {
    const entries = this.mode === 'go' ? this.entries : [];
    return html`<dialog aria-label=${this.mode === 'go' ? 'Search or go to' : 'Keyboard'} @click=${(event: Event) => { if (event.target === this.dialog) this.dialog.close(); }}>
      ${this.mode === 'help'
        ? html`<h2>Keyboard</h2><dl>${help.map(([keys, words]) => html`<dt><kbd>${keys}</kbd></dt><dd>${words}</dd>`)}</dl>`
        : html`<input type="text" role="combobox" aria-expanded="true" aria-controls="found" aria-activedescendant=${entries.length ? `e${this.at}` : nothing} aria-label="Search or go to" placeholder="A page, service, case, trace id or words" autocomplete="off" spellcheck="false"
              .value=${this.text} @input=${(event: Event) => { this.text = (event.target as HTMLInputElement).value; this.at = 0; }} @keydown=${this.key}>
            <ul id="found" role="listbox" aria-label="Found">${entries.map((entry, i) => html`<li id="e${i}" role="option" aria-selected=${i === this.at} @click=${() => this.choose(entry)} @pointermove=${() => { this.at = i; }}><span>${entry.label}</span><span class="hint">${entry.hint}</span></li>`)}</ul>
            ${entries.length === 0 ? html`<p class="none">Nothing has that name.</p>` : ''}`}
    </dialog>`;
  }
}
