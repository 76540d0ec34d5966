// Keys: / filter, g and a letter for pages, j and k for rows, [ and ] for time, Space pauses, ? help, Ctrl+K everything.

let pending = false;

/** True while keys belong to a field or a dialog, also to one inside of an element's own tree. */
const typing = (event: Event): boolean => event.composedPath().some(target =>
  target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT|DIALOG)$/.test(target.tagName)));

function move(step: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-rows] tr.go, [data-rows] li.go')];
  if (rows.length === 0) {
    document.querySelector<HTMLElement & { step?: (step: number) => void }>('trace-waterfall')?.step?.(step);
    return;
  }
  const at = rows.findIndex(row => row.dataset['on'] !== undefined);
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (step > 0 ? 0 : rows.length - 1) : at + step))]!;
  for (const row of rows) delete row.dataset['on'];
  next.dataset['on'] = '';
  next.querySelector<HTMLElement>('[data-go]')?.focus({ preventScroll: true });
  next.scrollIntoView({ block: 'nearest' });
}

/** Moves the page's time range by half its length, to the past or to the future. */
function shift(direction: -1 | 1): void {
  const range = document.querySelector<HTMLElement>('[data-range-from]')?.dataset;
  if (!range) return;
  const from = Number(range['rangeFrom']), to = Number(range['rangeTo']);
  const by = (to - from) / 2 * direction;
  if (!(by !== 0) || to + by > Date.now() + (to - from)) return;
  go(from + by, to + by);
}

export function go(from: number, to: number): void {
  const url = new URL(location.href);
  url.searchParams.set('from', String(Math.round(from)));
  url.searchParams.set('to', String(Math.round(to)));
  url.searchParams.delete('page');
  location.assign(url);
}

export function startKeyboard(): void {
  document.querySelector('[data-palette]')?.addEventListener('click', () => document.dispatchEvent(new CustomEvent('palette', { detail: 'go' })));
  document.addEventListener('keydown', event => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'k') {
      event.preventDefault();
      document.dispatchEvent(new CustomEvent('palette', { detail: 'go' }));
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event)) {
      const within = event.composedPath()[0];
      if (event.key === 'Escape' && within instanceof HTMLElement) within.blur();
      return;
    }
    if (pending) {
      pending = false;
      const link = document.querySelector<HTMLAnchorElement>(`.rail .links a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    switch (event.key) {
      case 'g': pending = true; setTimeout(() => { pending = false; }, 1200); break;
      case '/': {
        const field = document.querySelector<HTMLElement>('[data-slash]');
        event.preventDefault();
        if (field) field.focus(); else document.dispatchEvent(new CustomEvent('palette', { detail: 'go' }));
        break;
      }
      case 'j': move(1); break;
      case 'k': move(-1); break;
      case '[': shift(-1); break;
      case ']': shift(1); break;
      case ' ':
        if (!(event.target instanceof HTMLButtonElement || event.target instanceof HTMLAnchorElement || (event.target as HTMLElement).tagName === 'SUMMARY')) {
          event.preventDefault();
          document.querySelector<HTMLButtonElement>('[data-live-toggle]:not([data-fixed])')?.click();
        }
        break;
      case 'Escape': for (const row of document.querySelectorAll<HTMLElement>('[data-on]')) delete row.dataset['on']; break;
      case '?': document.dispatchEvent(new CustomEvent('palette', { detail: 'help' })); break;
    }
  });
}
