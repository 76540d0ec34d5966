import { LitElement, css, html } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { refreshAll } from './live';

/** <live-held>: says that newer rows wait because somebody is reading, and shows them on request. */
@customElement('live-held')
export class LiveHeld extends LitElement {
  static override styles = css`button { font: 500 12px/20px var(--font); height: 22px; padding: 0 8px; border-radius: 11px; border: 1px solid var(--accent-line); background: var(--accent-soft); color: var(--accent); cursor: pointer; } button:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }`;
  @state() private waiting = false;
  private readonly held = (): void => { this.waiting = true; };
  private readonly swapped = (): void => { this.waiting = false; };

  override connectedCallback(): void {
    super.connectedCallback();
    document.addEventListener('live-held', this.held);
    document.addEventListener('htmx:after:swap', this.swapped);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    document.removeEventListener('live-held', this.held);
    document.removeEventListener('htmx:after:swap', this.swapped);
  }

  override render() {
    return this.waiting ? html`<button type="button" @click=${() => refreshAll()}>Newer traces are here: show them</button>` : '';
  }
}
