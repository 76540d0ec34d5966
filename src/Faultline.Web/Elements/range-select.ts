import { LitElement, css, html } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { go } from './keyboard';

/** <range-select from="ms" to="ms">: drag over what is inside to zoom the page's time range to it. Emits `range-selected` first. */
@customElement('range-select')
export class RangeSelect extends LitElement {
  static override styles = css`:host { display: block; position: relative; user-select: none; touch-action: pan-y; } .box { position: absolute; top: 0; bottom: 0; background: var(--accent); opacity: 0.18; pointer-events: none; }`;
  @property({ type: Number }) from = 0;
  @property({ type: Number }) to = 0;
  @state() private drag?: { a: number; b: number };

  override render() {
    const drag = this.drag;
    return html`<slot></slot>${drag ? html`<div class="box" .style=${`left:${Math.min(drag.a, drag.b) * 100}%;width:${Math.abs(drag.b - drag.a) * 100}%` as never}></div>` : ''}`;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.addEventListener('pointerdown', this.start);
    this.addEventListener('pointermove', this.move);
    this.addEventListener('pointerup', this.end);
    this.addEventListener('pointercancel', () => { this.drag = undefined; });
  }

  private share(event: PointerEvent): number {
    const box = this.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  }

  private start = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    this.setPointerCapture(event.pointerId);
    const at = this.share(event);
    this.drag = { a: at, b: at };
  };

  private move = (event: PointerEvent): void => {
    if (this.drag) this.drag = { ...this.drag, b: this.share(event) };
  };

  private end = (): void => {
    const drag = this.drag;
    this.drag = undefined;
    if (!drag || Math.abs(drag.b - drag.a) < 0.01) return;
    const length = this.to - this.from;
    const from = this.from + Math.min(drag.a, drag.b) * length, to = this.from + Math.max(drag.a, drag.b) * length;
    if (this.dispatchEvent(new CustomEvent('range-selected', { bubbles: true, cancelable: true, detail: { from, to } }))) go(from, to);
  };
}
