import { LitElement, css, html, unsafeCSS } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import uPlot from 'uplot';
import uplotStyles from 'uplot/dist/uPlot.min.css';
import { go } from './keyboard';
import { colour } from './colour';

interface Series { metric: Record<string, string>; values: [number, string][] }
/** With a value it is a point of a line, and gets a ring. */
interface Mark { at: number; words: string; kind?: string; value?: number | null }
interface Band { low: number; high: number; usual?: number }

/** Charts use at most eight colours; more series are said, not drawn. */
const seriesMax = 8;

/** Pixels that a mark's word needs. */
const labelWidth = 56;

const ticks = [0, 10 ** -6, 0.001];

export function figure(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const abs = Math.abs(value);
  if (unit === 's') {
    if (abs === 0) return '0 s';
    if (abs < ticks[2]!) return `${+(value * 1e6).toPrecision(3)} µs`;
    if (abs < 1) return `${+(value * 1e3).toPrecision(3)} ms`;
    if (abs < 120) return `${+value.toPrecision(3)} s`;
    return `${+(value / 60).toPrecision(3)} min`;
  }
  if (unit === 'bytes') {
    const steps = ['B', 'kB', 'MB', 'GB', 'TB'];
    const step = abs < 1 ? 0 : Math.min(steps.length - 1, Math.floor(Math.log10(abs) / 3));
    return `${+(value / 1000 ** step).toPrecision(3)} ${steps[step]}`;
  }
  const suffix = unit && unit !== '1' ? ` ${unit}` : '';
  if (abs >= 1e9) return `${+(value / 1e9).toPrecision(3)} G${suffix}`;
  if (abs >= 1e6) return `${+(value / 1e6).toPrecision(3)} M${suffix}`;
  if (abs >= 1e4) return `${+(value / 1e3).toPrecision(3)} k${suffix}`;
  return `${+value.toPrecision(4)}${suffix}`;
}

/** A tick in the viewer's time: the day where a new one begins, seconds only where ticks are that close. */
function clock(at: number, increment: number, before: number | undefined): string {
  const date = new Date(at * 1000);
  const day = before !== undefined && new Date(before * 1000).toDateString() !== date.toDateString();
  if (increment >= 86400 || day) return date.toLocaleDateString('en-US', { month: 'short', day: 'numeric' });
  return date.toLocaleTimeString('en-GB', increment < 60 ? {} : { hour: '2-digit', minute: '2-digit' });
}

/** What tells a series from the others of its answer, in words. */
export function names(series: Series[]): string[] {
  const keys = new Set(series.flatMap(one => Object.keys(one.metric)));
  const count = (some: string[]): number => new Set(series.map(one => some.map(key => one.metric[key] ?? '').join('\n'))).size;
  // The service always, then whichever label tells most, until all are told apart.
  const candidates = [...keys].filter(key => count([key]) > 1).sort((a, b) => Number(b === 'service_name') - Number(a === 'service_name') || count([b]) - count([a]));
  const telling: string[] = [];
  for (const key of candidates) {
    if (telling.length > 0 && count(telling) === series.length) break;
    if (telling.length === 0 || count([...telling, key]) > count(telling)) telling.push(key);
  }
  return series.map(one => {
    const labels = telling.filter(key => one.metric[key]).map(key => telling.length === 1 || key === '__name__' ? one.metric[key]! : `${key}=${one.metric[key]}`);
    return labels.join(', ') || one.metric['__name__'] || (Object.entries(one.metric).map(([key, value]) => `${key}=${value}`).join(', ')) || 'value';
  });
}

/** <time-series src="/prometheus/api/v1/query_range?…" unit="s">: fetches, draws, follows the page's time range, emits `range-selected`. */
@customElement('time-series')
export class TimeSeries extends LitElement {
  static override styles = [unsafeCSS(uplotStyles), css`
    :host { display: block; position: relative; font: 400 12px/16px var(--font); color: var(--ink-2); }
    .plot { min-height: var(--chart-height, 240px); }
    .u-legend { display: none; }
    .u-select { background: var(--accent); opacity: 0.16; }
    .u-cursor-x, .u-cursor-y { border-color: var(--ink-4) !important; }
    .note { position: absolute; inset: 0; display: grid; place-items: center; text-align: center; color: var(--ink-2); padding: 16px; pointer-events: none; }
    .bad { color: var(--bad); font-family: var(--mono); }
    ul { list-style: none; margin: 8px 0 0; padding: 0; display: flex; flex-wrap: wrap; gap: 4px 16px; max-height: 84px; overflow: auto; }
    li { display: inline-flex; align-items: center; gap: 6px; min-width: 0; max-width: 100%; }
    li i { width: 10px; height: 2px; flex: none; background: var(--c); }
    li span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    li b { font-weight: 560; color: var(--ink); font-variant-numeric: tabular-nums; white-space: nowrap; }
    ul:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; border-radius: 4px; }
    .at { color: var(--ink-3); font-variant-numeric: tabular-nums; }
    .more { color: var(--ink-3); }
    .marks { position: absolute; inset: 0; pointer-events: none; }
    .mark { position: absolute; top: 0; font-size: 11px; line-height: 16px; padding: 0 4px; border-radius: 3px; background: var(--raised); border: 1px solid var(--line-strong); color: var(--ink-2); max-width: 160px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; transform: translateX(-50%); }
    .mark.unusual { color: var(--warn); border-color: var(--warn-line); background: var(--warn-soft); font-weight: 560; }
    .mark.onset { color: var(--bad); border-color: var(--bad-line); background: var(--bad-soft); }
  `];
  @property() src = '';
  @property() unit = '';
  /** JSON of the usual band. */
  @property({ type: Object }) band?: Band;
  /** JSON of moments to mark. */
  @property({ type: Array }) marks: Mark[] = [];
  @property({ type: Number }) from = 0;
  @property({ type: Number }) to = 0;
  @property({ type: Boolean }) compact = false;
  @state() private problem = '';
  @state() private series: Series[] = [];
  @state() private labels: string[] = [];
  @state() private at: number | null = null;
  @state() private busy = true;
  @state() private drawnMarks: { x: number; mark: Mark }[] = [];
  @query('.plot') private box!: HTMLElement;
  private plot?: uPlot;
  private fetching?: AbortController;
  private readonly resize = new ResizeObserver(() => this.fit());
  private readonly redraw = (): void => this.draw();

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('theme-changed', this.redraw);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.redraw);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('theme-changed', this.redraw);
    matchMedia('(prefers-color-scheme: dark)').removeEventListener('change', this.redraw);
    this.resize.disconnect();
    this.fetching?.abort();
    this.plot?.destroy();
    this.plot = undefined;
  }

  override firstUpdated(): void { this.resize.observe(this.box); }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has('src')) void this.load();
    else if (changed.has('band') || changed.has('marks')) this.draw();
  }

  private async load(): Promise<void> {
    if (!this.src) return;
    this.fetching?.abort();
    const mine = this.fetching = new AbortController();
    this.busy = true;
    this.removeAttribute('drawn');
    try {
      const answer = await fetch(this.src, { signal: mine.signal });
      const body = await answer.json() as { status: string; error?: string; data?: { resultType: string; result: Series[] } };
      if (body.status !== 'success') throw new Error(body.error ?? `${answer.status} ${answer.statusText}`);
      const found = body.data!.resultType === 'matrix' ? body.data!.result : [];
      // The largest last values first: what is drawn is what matters most.
      found.sort((a, b) => Number(b.values.at(-1)?.[1] ?? 0) - Number(a.values.at(-1)?.[1] ?? 0));
      this.series = found;
      this.labels = names(found);
      this.problem = '';
      this.busy = false;
      this.draw();
      this.done();
    } catch (problem) {
      if (mine.signal.aborted) return;
      this.busy = false;
      this.series = [];
      this.problem = problem instanceof Error ? problem.message : String(problem);
      this.draw();
      this.done();
    }
  }

  private colour(name: string): string { return getComputedStyle(this).getPropertyValue(name).trim(); }

  /** A service keeps its colour everywhere; where that does not tell the series apart, colours go by order. */
  private get palette(): number[] {
    const shown = this.series.slice(0, seriesMax);
    const own = shown.map(one => one.metric['service_name']);
    const colours = own.map(service => service === undefined ? -1 : colour(service));
    return shown.length > 1 && !own.some(service => service === undefined) && new Set(colours).size === shown.length ? colours : shown.map((_, i) => i);
  }

  private get plotHeight(): number { return this.compact ? 120 : parseInt(this.colour('--chart-height')) || 240; }

  /** `drawn` says that what is seen is what was asked for; pictures and tests wait for it. */
  private done(): void {
    this.setAttribute('drawn', '');
    this.dispatchEvent(new Event('drawn', { bubbles: true }));
  }

  private fit(): void {
    if (this.plot && this.box.clientWidth > 0) {
      this.plot.setSize({ width: this.box.clientWidth, height: this.plotHeight });
      this.placeMarks();
    }
  }

  private placeMarks(): void {
    const plot = this.plot;
    if (!plot) { this.drawnMarks = []; return; }
    const { min, max } = plot.scales['x']!;
    const placed: { x: number; mark: Mark }[] = [];
    for (const mark of this.marks.filter(one => one.at >= min! && one.at <= max!).sort((a, b) => a.at - b.at)) {
      const x = plot.valToPos(mark.at, 'x') + plot.bbox.left / devicePixelRatio;
      const before = placed.at(-1);
      // Two words in one place cannot be read: they become one label, over the later of the two lines.
      if (before && x - before.x < labelWidth) {
        const words = before.mark.words.split(', ').includes(mark.words) ? before.mark.words : `${before.mark.words}, ${mark.words}`;
        placed[placed.length - 1] = { x, mark: { at: mark.at, words, kind: before.mark.kind === 'onset' ? 'onset' : mark.kind } };
      } else placed.push({ x, mark });
    }
    this.drawnMarks = placed;
  }

  private draw(): void {
    this.plot?.destroy();
    this.plot = undefined;
    if (!this.box) return;
    const shown = this.series.slice(0, seriesMax);
    if (shown.length === 0) { this.drawnMarks = []; return; }
    const step = Number(new URL(this.src, location.href).searchParams.get('step')) || 10;
    const from = this.from / 1000 || Number(new URL(this.src, location.href).searchParams.get('start')), to = this.to / 1000 || Number(new URL(this.src, location.href).searchParams.get('end'));
    const times = [...new Set(shown.flatMap(one => one.values.map(value => value[0])))].sort((a, b) => a - b);
    // A step without a sample becomes a null row, so that a gap is a gap.
    const grid: number[] = [];
    times.forEach((time, i) => {
      if (i > 0 && time - times[i - 1]! > step * 1.5) grid.push(times[i - 1]! + step);
      grid.push(time);
    });
    const columns = shown.map(one => {
      const byTime = new Map(one.values.map(([time, value]) => [time, Number(value)]));
      return grid.map(time => { const value = byTime.get(time); return value === undefined || !Number.isFinite(value) ? null : value; });
    });
    const line = this.colour('--line'), ink = this.colour('--ink-3'), font = `11px ${this.colour('--font')}`;
    const band = this.band, unit = this.unit;
    this.plot = new uPlot({
      width: Math.max(100, this.box.clientWidth),
      height: this.plotHeight,
      padding: [this.marks.length ? 20 : 8, 18, 0, 0],
      cursor: { sync: { key: 'page', setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { show: false },
      scales: {
        x: { time: true, range: from && to ? [from, to] : undefined },
        y: { range: (_, low, high) => {
          const bottom = Math.min(low ?? 0, band?.low ?? Infinity), top = Math.max(high ?? 1, band?.high ?? -Infinity);
          const pad = (top - bottom || Math.abs(top) || 1) * 0.12;
          // A line that does not move stands on zero: a magnified nothing would look like news.
          if (top === bottom) return [Math.min(0, bottom - pad), Math.max(0, top + pad)];
          return [bottom >= 0 && (bottom < top * 0.5 || bottom - pad < 0) ? 0 : bottom - pad, top + pad];
        } },
      },
      axes: [
        { stroke: ink, font, grid: { show: false }, ticks: { stroke: line, size: 4 }, size: 26, values: (_, splits, __, ___, incr) => splits.map((value, i) => clock(value, incr, i > 0 ? splits[i - 1] : undefined)) },
        { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { show: false }, size: this.compact ? 48 : 60, gap: 4, values: (_, splits) => splits.map(value => figure(value, unit === 's' || unit === 'bytes' ? unit : '')) },
      ],
      series: [{}, ...shown.map((_, i) => ({ stroke: this.colour(`--series-${this.palette[i]}`), width: 1.5, spanGaps: false, points: { show: (plot: uPlot, n: number) => (plot.data[n] as (number | null)[]).filter(value => value !== null).length < 3 } }))],
      hooks: {
        ready: [() => this.placeMarks()],
        drawClear: [plot => {
          const ctx = plot.ctx;
          if (band) {
            const top = plot.valToPos(band.high, 'y', true), bottom = plot.valToPos(band.low, 'y', true);
            ctx.save();
            ctx.fillStyle = this.colour('--line');
            ctx.globalAlpha = 0.7;
            ctx.fillRect(plot.bbox.left, top, plot.bbox.width, bottom - top);
            ctx.restore();
          }
          for (const mark of this.marks) {
            const x = plot.valToPos(mark.at, 'x', true);
            if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width) continue;
            ctx.save();
            ctx.strokeStyle = this.colour(mark.kind === 'onset' ? '--bad' : mark.kind === 'unusual' ? '--warn' : '--ink-3');
            ctx.setLineDash(mark.kind === 'onset' ? [] : [4, 3]);
            ctx.lineWidth = devicePixelRatio;
            ctx.beginPath();
            ctx.moveTo(x, plot.bbox.top);
            ctx.lineTo(x, plot.bbox.top + plot.bbox.height);
            ctx.stroke();
            ctx.restore();
          }
        }],
        draw: [plot => {
          const ctx = plot.ctx;
          for (const mark of this.marks) {
            if (mark.value === undefined || mark.value === null) continue;
            const x = plot.valToPos(mark.at, 'x', true), y = plot.valToPos(mark.value, 'y', true);
            if (x < plot.bbox.left || x > plot.bbox.left + plot.bbox.width || y < plot.bbox.top || y > plot.bbox.top + plot.bbox.height) continue;
            ctx.save();
            ctx.strokeStyle = this.colour('--warn');
            ctx.lineWidth = 2 * devicePixelRatio;
            ctx.beginPath();
            ctx.arc(x, y, 6 * devicePixelRatio, 0, 2 * Math.PI);
            ctx.stroke();
            ctx.restore();
          }
        }],
        setCursor: [plot => { this.at = plot.cursor.idx ?? null; }],
        setSelect: [plot => {
          if (plot.select.width < 4) return;
          const detail = { from: plot.posToVal(plot.select.left, 'x') * 1000, to: plot.posToVal(plot.select.left + plot.select.width, 'x') * 1000 };
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          if (this.dispatchEvent(new CustomEvent('range-selected', { bubbles: true, cancelable: true, detail }))) go(detail.from, detail.to);
        }],
      },
    }, [grid, ...columns], this.box);
  }

  override render() {
    const shown = this.series.slice(0, seriesMax);
    const at = this.at !== null && this.plot ? this.at : null;
    const valueOf = (i: number): number | null | undefined => {
      const column = this.plot?.data[i + 1] as (number | null)[] | undefined;
      if (!column) return undefined;
      return at !== null ? column[at] : column.findLast(value => value !== null);
    };
    const order = shown.map((_, i) => i);
    if (at !== null) order.sort((a, b) => (valueOf(b) ?? -Infinity) - (valueOf(a) ?? -Infinity));
    return html`
      <div class="plot" role="img" aria-label=${shown.length ? `Chart of ${this.labels.slice(0, 3).join('; ')}${shown.length > 3 ? ' and more' : ''}` : 'Chart'}></div>
      <div class="marks" aria-hidden="true">${this.drawnMarks.map(({ x, mark }) => html`<span class="mark ${mark.kind ?? ''}" .style=${`left:${x}px` as never} title=${mark.words}>${mark.words}</span>`)}</div>
      ${this.problem ? html`<div class="note"><span class="bad" role="alert">${this.problem}</span></div>` : shown.length === 0 ? html`<div class="note">${this.busy ? '' : 'No data in this range.'}</div>` : ''}
      ${this.compact && shown.length < 2 ? '' : html`<ul tabindex="0" aria-label="Series">
        ${order.map(i => html`<li .style=${`--c:var(--series-${this.palette[i] ?? i})` as never}><i></i><span title=${this.labels[i]!}>${this.labels[i]}</span><b>${figure(valueOf(i), this.unit)}</b></li>`)}
        ${at !== null && this.plot ? html`<li class="at">${new Date((this.plot.data[0][at] ?? 0) * 1000).toLocaleTimeString('en-GB')}</li>` : ''}
        ${this.series.length > seriesMax ? html`<li class="more">${seriesMax} of ${this.series.length} series</li>` : ''}
      </ul>`}`;
  }
}
