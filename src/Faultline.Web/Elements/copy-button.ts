import { LitElement, css, html, svg } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';

const copyIcon = svg`<rect width="14" height="14" x="8" y="8" rx="2"/><path d="M4 16c-1.1 0-2-.9-2-2V4c0-1.1.9-2 2-2h10c1.1 0 2 .9 2 2"/>`;
const checkIcon = svg`<path d="M20 6 9 17l-5-5"/>`;

/** Browsers have a clipboard for scripts only on https and localhost; elsewhere the old way is left. */
export async function copyText(text: string): Promise<void> {
  if (window.isSecureContext) return navigator.clipboard.writeText(text);
  const field = document.createElement('textarea');
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand('copy');
  field.remove();
}

/** <copy-button text="…">: puts the text, or that of the element named by `from`, on the clipboard and says that it did. */
@customElement('copy-button')
export class CopyButton extends LitElement {
  static override shadowRootOptions = { ...LitElement.shadowRootOptions, delegatesFocus: true };
  static override styles = css`
    button { display: grid; place-items: center; width: 24px; height: 24px; padding: 0; border: 0; border-radius: 4px; background: transparent; color: var(--ink-3); cursor: pointer; }
    button:hover { background: var(--hover); color: var(--ink); }
    button:focus-visible { outline: 2px solid var(--focus); }
    svg { width: 14px; height: 14px; fill: none; stroke: currentcolor; stroke-width: 1.75; stroke-linecap: round; stroke-linejoin: round; }
    .done { color: var(--good); }
  `;
  @property() text = '';
  @property() from = '';
  @property() label = 'Copy';
  @state() private done = false;

  override render() {
    return html`<button type="button" class=${this.done ? 'done' : ''} aria-label=${this.done ? 'Copied' : this.label} title=${this.done ? 'Copied' : this.label} @click=${this.copy}>
      <svg viewBox="0 0 24 24" aria-hidden="true">${this.done ? checkIcon : copyIcon}</svg></button>`;
  }

  private async copy(event: Event): Promise<void> {
    event.preventDefault();
    const text = this.from ? document.getElementById(this.from)?.textContent ?? '' : this.text;
    await copyText(text.trim());
    this.done = true;
    setTimeout(() => { this.done = false; }, 1500);
  }
}
