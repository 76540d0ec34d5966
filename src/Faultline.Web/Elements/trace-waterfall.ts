import htmx from 'htmx.org';
import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { colour } from './colour';

interface Span {
  id: string; parent: string; depth: number; name: string; service: string; operation: string; label: string; start_nanos: number; duration_nanos: number;
  error: boolean; critical: boolean; fold: number; input_tokens: number | null; output_tokens: number | null; worst_score: number | null;
}
interface Fold { name: string; count: number; errors: number; total_nanos: number }
interface Trace { trace_id: string; start_unix_nanos: number; duration_nanos: number; spans: Span[]; folds: Fold[] }
type Row = { kind: 'span'; span: Span; index: number; hasChildren: boolean; open: boolean } | { kind: 'fold'; fold: Fold; number: number; depth: number; start: number; end: number; open: boolean; service: string; tokens: number };

const rowHeight = 28;
const margin = 12;

export function duration(nanos: number): string {
  const seconds = nanos / 1e9;
  if (nanos === 0) return '0 ms';
  if (seconds < 0.001) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.01) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 0.9995) return `${(seconds * 1e3).toFixed(0)} ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
  return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}

/** <trace-waterfall src selected>: the spans of a trace as bars; only the visible rows exist. Choosing one asks the server for its panel and changes the address. */
@customElement('trace-waterfall')
export class TraceWaterfall extends LitElement {
  static override styles = css`
    :host { display: grid; grid-template-rows: auto auto minmax(0, 1fr); height: 100%; font: 400 13px/20px var(--font); color: var(--ink); }
    .bar { display: flex; align-items: center; gap: 12px; padding: 6px 12px; border-bottom: 1px solid var(--line); font-size: 12px; color: var(--ink-3); min-height: 36px; box-sizing: border-box; }
    .bar input { height: 24px; width: 180px; padding: 0 8px; border: 1px solid var(--line-strong); border-radius: 6px; background: var(--surface); color: var(--ink); font: 400 12px/20px var(--font); }
    .bar input::placeholder { color: var(--ink-3); opacity: 1; }
    .legend { display: inline-flex; align-items: center; gap: 5px; white-space: nowrap; }
    .legend i { width: 14px; height: 2px; background: var(--ink); }
    .bar button { border: 0; background: none; color: var(--ink-2); font: 500 12px/20px var(--font); cursor: pointer; padding: 2px 6px; border-radius: 4px; }
    .bar button:hover { background: var(--hover); color: var(--ink); }
    .grow { flex: 1; }
    .scale { position: relative; display: grid; grid-template-columns: var(--names) 1fr 68px; height: 22px; border-bottom: 1px solid var(--line); font-size: 11px; color: var(--ink-3); font-variant-numeric: tabular-nums; }
    .scale .time { position: relative; margin: 0 60px 0 0; }
    .scale .end { position: static; border: 0; text-align: right; padding: 0 12px 0 0; }
    .scale span { position: absolute; top: 2px; line-height: 18px; padding-left: 4px; border-left: 1px solid var(--line); height: 20px; white-space: nowrap; }
    .rows { overflow: auto; position: relative; outline: none; }
    .rows:focus-visible { box-shadow: inset 0 0 0 2px var(--focus); }
    .all { position: relative; }
    .row { position: absolute; left: 0; right: 0; height: 28px; display: grid; grid-template-columns: var(--names) 1fr 68px; align-items: center; cursor: pointer; }
    .row:hover { background: var(--hover); }
    .row[aria-selected='true'] { background: var(--selected); }
    .row.dim { opacity: 0.4; }
    .name { display: flex; align-items: center; gap: 6px; min-width: 0; padding-right: 12px; height: 28px; }
    .name .label { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: none; max-width: calc(100% - 36px); }
    .name .sub { color: var(--ink-3); font-size: 12px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; flex: 0 100 auto; min-width: 0; }
    .name b { font-weight: 560; }
    .twist { width: 16px; height: 16px; flex: none; display: grid; place-items: center; color: var(--ink-3); border: 0; padding: 0; background: none; cursor: pointer; }
    .twist svg { width: 8px; height: 8px; fill: currentcolor; transition: rotate 80ms; }
    .twist.open svg { rotate: 90deg; }
    .dot { width: 8px; height: 8px; border-radius: 2px; flex: none; background: var(--c); }
    .times { font-weight: 560; color: var(--warn); background: var(--warn-soft); border: 1px solid var(--warn-line); border-radius: 4px; padding: 0 5px; font-size: 11px; line-height: 16px; flex: none; }
    .err { color: var(--bad); font-weight: 600; font-size: 11px; flex: none; }
    .score { color: var(--bad); font-size: 11px; flex: none; font-variant-numeric: tabular-nums; }
    .track { position: relative; height: 28px; margin-right: 60px; background-image: linear-gradient(to right, var(--line) 1px, transparent 1px); background-size: 25% 100%; }
    .span { position: absolute; top: 8px; height: 12px; min-width: 2px; border-radius: 2px; background: var(--c); }
    .span.error { background: var(--bar-bad); }
    .span.many { background: repeating-linear-gradient(90deg, var(--c) 0 4px, color-mix(in srgb, var(--c) 45%, transparent) 4px 6px); }
    .crit { position: absolute; top: 22px; height: 2px; min-width: 2px; background: var(--ink); }
    .took { position: absolute; top: 4px; font-size: 11px; line-height: 20px; color: var(--ink-2); white-space: nowrap; font-variant-numeric: tabular-nums; padding: 0 4px; }
    .tokens { text-align: right; padding-right: 12px; font-size: 11px; color: var(--ink-2); font-variant-numeric: tabular-nums; }
    .fail { padding: 24px; color: var(--ink-2); }
    .map { height: 28px; }
  `;
  @property() src = '';
  @property() selected = '';
  @property({ type: Number }) spans = 0;
  @state() private trace?: Trace;
  @state() private problem = '';
  @state() private closed = new Set<string>();
  @state() private openFolds = new Set<number>();
  @state() private top = 0;
  @state() private height = 600;
  @state() private find = '';
  @query('.rows') private scroller?: HTMLElement;
  private rows: Row[] = [];
  private readonly resize = new ResizeObserver(() => { this.height = this.scroller?.clientHeight ?? 600; });

  override connectedCallback(): void {
    super.connectedCallback();
    addEventListener('popstate', this.restore);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    removeEventListener('popstate', this.restore);
    this.resize.disconnect();
  }

  private readonly restore = (): void => {
    const span = new URLSearchParams(location.search).get('span');
    if (span && span !== this.selected) this.choose(span, false);
  };

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('src') || (changed.has('spans') && this.trace)) void this.load();
    if (changed.has('trace') || changed.has('closed') || changed.has('openFolds')) this.rows = this.layout();
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has('trace') && this.scroller) {
      this.resize.observe(this.scroller);
      this.reveal();
    }
  }

  private async load(): Promise<void> {
    try {
      const answer = await fetch(this.src);
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      const trace = await answer.json() as Trace;
      // A fold that holds the chosen span is open from the start.
      const chosen = trace.spans.find(span => span.id === this.selected);
      if (chosen && chosen.fold >= 0) this.openFolds = new Set(this.openFolds).add(chosen.fold);
      this.trace = trace;
      this.problem = '';
    } catch (problem) {
      this.problem = `The spans could not be loaded (${problem instanceof Error ? problem.message : String(problem)}). Reload the page to try again.`;
    }
  }

  /** Which rows there are, given what is folded. */
  private layout(): Row[] {
    const trace = this.trace;
    if (!trace) return [];
    const rows: Row[] = [];
    const shown = new Set<number>();
    let hiddenBelow = Infinity;
    trace.spans.forEach((span, index) => {
      if (span.depth > hiddenBelow) return;
      hiddenBelow = Infinity;
      if (span.fold >= 0 && !shown.has(span.fold)) {
        shown.add(span.fold);
        const members = trace.spans.filter(other => other.fold === span.fold);
        rows.push({
          kind: 'fold', fold: trace.folds[span.fold]!, number: span.fold, depth: span.depth, open: this.openFolds.has(span.fold), service: span.service,
          tokens: members.reduce((sum, member) => sum + (member.input_tokens ?? 0) + (member.output_tokens ?? 0), 0),
          start: Math.min(...members.map(member => member.start_nanos)), end: Math.max(...members.map(member => member.start_nanos + member.duration_nanos)),
        });
      }
      if (span.fold >= 0 && !this.openFolds.has(span.fold)) { hiddenBelow = span.depth; return; }
      const next = trace.spans[index + 1];
      const hasChildren = next !== undefined && next.depth > span.depth;
      const open = !this.closed.has(span.id);
      rows.push({ kind: 'span', span, index, hasChildren, open });
      if (!open) hiddenBelow = span.depth;
    });
    return rows;
  }

  private choose(id: string, push = true): void {
    this.selected = id;
    const url = new URL(location.href);
    url.searchParams.set('span', id);
    if (push) history.pushState(null, '', url);
    const panel = document.getElementById('span-panel');
    if (panel) {
      panel.setAttribute('aria-busy', 'true');
      void htmx.ajax('GET', `${url.pathname}/spans/${id}`, { source: panel, target: panel, swap: 'innerHTML' }).finally(() => panel.removeAttribute('aria-busy'));
    }
  }

  private toggle(row: Row): void {
    if (row.kind === 'fold') {
      const open = new Set(this.openFolds);
      if (!open.delete(row.number)) open.add(row.number);
      this.openFolds = open;
    } else if (row.hasChildren) {
      const closed = new Set(this.closed);
      if (!closed.delete(row.span.id)) closed.add(row.span.id);
      this.closed = closed;
    }
  }

  /** `/` comes here: to the field that finds a span. */
  override focus(): void { this.renderRoot.querySelector('input')?.focus(); }

  /** Chooses the next (1) or the previous (-1) span, into a fold if one is in the way. */
  step(step: number): void {
    let next = this.rows.findIndex(row => row.kind === 'span' && row.span.id === this.selected) + step;
    while (this.rows[next]?.kind === 'fold') {
      const fold = this.rows[next]!;
      if (!fold.open) { this.toggle(fold); this.rows = this.layout(); }
      next += step;
    }
    const row = this.rows[next];
    if (row?.kind === 'span') { this.choose(row.span.id); this.reveal(); }
  }

  private readonly key = (event: KeyboardEvent): void => {
    const at = this.rows.findIndex(row => row.kind === 'span' && row.span.id === this.selected);
    const step = event.key === 'ArrowDown' || event.key === 'j' ? 1 : event.key === 'ArrowUp' || event.key === 'k' ? -1 : 0;
    if (step) this.step(step);
    else if ((event.key === 'ArrowLeft' || event.key === 'ArrowRight') && this.rows[at]) {
      const row = this.rows[at]!;
      if (row.open === (event.key === 'ArrowLeft')) this.toggle(row);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  };

  private reveal(): void {
    const at = this.rows.findIndex(row => row.kind === 'span' && row.span.id === this.selected);
    if (at < 0 || !this.scroller) return;
    const y = at * rowHeight;
    if (y < this.scroller.scrollTop || y + rowHeight > this.scroller.scrollTop + this.scroller.clientHeight) this.scroller.scrollTop = Math.max(0, y - this.scroller.clientHeight / 2);
  }

  private fits(row: Row): boolean {
    if (!this.find) return true;
    const words = this.find.toLowerCase();
    return row.kind === 'fold' ? row.fold.name.toLowerCase().includes(words) : `${row.span.name} ${row.span.service} ${row.span.label} ${row.span.operation}`.toLowerCase().includes(words);
  }

  override render() {
    const trace = this.trace;
    if (this.problem) return html`<p class="fail" role="alert">${this.problem}</p>`;
    if (!trace) return html`<p class="fail" aria-busy="true">Loading ${this.spans.toLocaleString('en')} spans</p>`;
    const total = trace.duration_nanos;
    const first = Math.max(0, Math.floor(this.top / rowHeight) - margin);
    const last = Math.min(this.rows.length, Math.ceil((this.top + this.height) / rowHeight) + margin);
    this.style.setProperty('--names', 'minmax(200px, 42%)');
    return html`
      <div class="bar">
        <input type="search" placeholder="Find a span" aria-label="Find a span" .value=${this.find} @input=${(event: Event) => { this.find = (event.target as HTMLInputElement).value; }}>
        <span class="legend" title="Had one of these been shorter, the trace would have ended sooner"><i></i>critical path</span>
        <span class="grow"></span>
        ${trace.folds.length ? html`<button type="button" @click=${() => { this.openFolds = this.openFolds.size ? new Set() : new Set(trace.folds.map((_, i) => i)); }}>${this.openFolds.size ? 'Fold repeats' : 'Unfold repeats'}</button>` : nothing}
        <button type="button" @click=${() => { this.closed = this.closed.size ? new Set() : new Set(trace.spans.filter(span => span.depth > 0).map(span => span.id)); }}>${this.closed.size ? 'Open all' : 'Close all'}</button>
      </div>
      <div class="scale" aria-hidden="true"><div></div><div class="time">${[0, 0.25, 0.5, 0.75].map(at => html`<span .style=${`left:${at * 100}%` as never}>${duration(total * at)}</span>`)}</div><span class="end">tokens</span></div>
      <div class="rows" tabindex="0" role="treegrid" aria-label="Spans" aria-rowcount=${this.rows.length} @keydown=${this.key} @scroll=${(event: Event) => { this.top = (event.target as HTMLElement).scrollTop; }}>
        <div class="all" role="rowgroup" .style=${`height:${this.rows.length * rowHeight}px` as never}>
          ${this.rows.slice(first, last).map((row, i) => this.row(row, first + i, total))}
        </div>
      </div>`;
  }

  private row(row: Row, at: number, total: number) {
    const depth = row.kind === 'fold' ? row.depth : row.span.depth + (row.span.fold >= 0 ? 1 : 0);
    const start = row.kind === 'fold' ? row.start : row.span.start_nanos;
    const length = row.kind === 'fold' ? row.end - row.start : row.span.duration_nanos;
    const left = start / total * 100, width = length / total * 100;
    const words = duration(row.kind === 'fold' ? row.fold.total_nanos : length);
    const isSelected = row.kind === 'span' && row.span.id === this.selected;
    const service = row.kind === 'fold' ? row.service : row.span.service;
    const tokens = row.kind === 'fold' ? row.tokens : (row.span.input_tokens ?? 0) + (row.span.output_tokens ?? 0);
    const twist = row.kind === 'fold' || row.hasChildren;
    return html`<div class="row ${this.fits(row) ? '' : 'dim'}" role="row" aria-level=${depth + 1} aria-rowindex=${at + 1} aria-selected=${isSelected} aria-expanded=${twist ? String(row.open) : nothing}
        .style=${`top:${at * rowHeight}px;--c:var(--series-${colour(service)})` as never} data-span=${row.kind === 'span' ? row.span.id : nothing}
        @click=${() => { if (row.kind === 'fold') this.toggle(row); else this.choose(row.span.id); this.scroller?.focus({ preventScroll: true }); }}>
      <div class="name" role="gridcell" .style=${`padding-left:${8 + Math.min(depth, 24) * 14}px` as never}>
        ${twist ? html`<span class="twist ${row.open ? 'open' : ''}" aria-hidden="true" @click=${(event: Event) => { event.stopPropagation(); this.toggle(row); }}><svg viewBox="0 0 8 8"><path d="M2 0l5 4-5 4z"/></svg></span>` : html`<span class="twist"></span>`}
        <span class="dot"></span>
        ${row.kind === 'fold'
          ? html`<span class="label"><b>${row.fold.name}</b></span><span class="times">× ${row.fold.count}</span>${row.fold.errors ? html`<span class="err">${row.fold.errors} failed</span>` : nothing}`
          : html`<span class="label" title=${`${row.span.name} · ${row.span.service}`}>${row.span.name}</span>${row.span.error ? html`<span class="err">error</span>` : nothing}${row.span.worst_score !== null && row.span.worst_score < 0.5 ? html`<span class="score" title="Worst score">${row.span.worst_score.toFixed(2)}</span>` : nothing}
            ${row.span.label && !row.span.name.includes(row.span.label) ? html`<span class="sub">${row.span.label}</span>` : nothing}`}
      </div>
      <div class="track" role="gridcell" aria-label=${words}>
        <div class="span ${row.kind === 'fold' ? 'many' : row.span.error ? 'error' : ''}" .style=${`left:${left}%;width:${width}%` as never}></div>
        ${row.kind === 'span' && row.span.critical ? html`<div class="crit" .style=${`left:${left}%;width:${width}%` as never}></div>` : nothing}
        <span class="took" title=${row.kind === 'fold' ? 'All of them together' : nothing} .style=${`left:${left + width}%` as never}>${words}</span>
      </div>
      <div class="tokens" role="gridcell">${tokens > 0 ? tokens.toLocaleString('en') : ''}</div>
    </div>`;
  }
}
