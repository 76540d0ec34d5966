// What every page loads: htmx, live updates, keyboard, theme and times. Larger elements are chunks of their own, loaded
// when a page has one.
import htmx from 'htmx.org';
import { startLive } from './live';
import { startKeyboard } from './keyboard';
import { startTimes } from './times';
import { startTheme } from './theme';
import { startTrouble } from './trouble';
import './copy-button';
import './range-select';
import './live-held';
import './command-palette';

const chunks: Record<string, () => Promise<unknown>> = {
  'trace-waterfall': () => import('./trace-waterfall'),
  'time-series': () => import('./time-series'),
  'promql-editor': () => import('./promql-editor'),
  'safe-markdown': () => import('./safe-markdown'),
};

function loadElements(): void {
  for (const [tag, load] of Object.entries(chunks)) {
    if (!customElements.get(tag) && document.querySelector(tag)) void load();
  }
}

// The server does not know which details somebody opened, which row is chosen or what is drawn: a morph leaves that alone.
htmx.registerExtension('faultline-keep', {
  htmx_before_morph_attr: (element: Element, { attrName }: { attrName: string }) =>
    !((attrName === 'open' && element instanceof HTMLDetailsElement) || attrName === 'data-on' || attrName === 'drawn'),
  htmx_before_morph_node: (_: Element, { oldNode }: { oldNode: Node }) => oldNode !== document.activeElement || !(oldNode instanceof HTMLInputElement || oldNode instanceof HTMLTextAreaElement),
});

document.addEventListener('htmx:after:swap', loadElements);

// Empty fields make long addresses: leave them out.
document.addEventListener('submit', event => {
  const form = event.target as HTMLFormElement;
  if (form.dataset['tidy'] === undefined) return;
  const empty = [...form.elements].filter(field => (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) && field.name && field.value === '') as HTMLInputElement[];
  for (const field of empty) field.disabled = true;
  setTimeout(() => { for (const field of empty) field.disabled = false; });
});

document.addEventListener('click', event => {
  // A popover closes when somebody clicks elsewhere.
  for (const open of document.querySelectorAll<HTMLDetailsElement>('details.popover[open]')) {
    if (!open.contains(event.target as Node)) open.open = false;
  }
  // A whole row is its link's target.
  const row = (event.target as Element).closest<HTMLElement>('tr.go');
  if (row && !(event.target as Element).closest('a, button, input') && !getSelection()?.toString()) row.querySelector<HTMLAnchorElement>('a[data-go]')?.click();
});

// A form that did its work is emptied, and the popover around it closes.
document.addEventListener('htmx:after:request', event => {
  const form = event.target as HTMLElement;
  if (!(form instanceof HTMLFormElement) || form.dataset['once'] === undefined) return;
  form.reset();
  const popover = form.closest<HTMLDetailsElement>('details.popover');
  if (popover) popover.open = false;
});

startTheme();
startTrouble();
startTimes();
loadElements();
startLive();
startKeyboard();
