// Keeps the parts of a page that are marked `data-live="spans cases"` up to date: on a pulse that concerns them the page
// is asked again and the part is morphed, so that focus, scroll and open details stay. Hidden tabs ask nothing; on
// return they ask once.
import htmx from 'htmx.org';

export interface Pulse { number: number; spans: number; services: string[]; scores: number; logs: number; cases: string[]; changes: number }
type Message = { kind: 'open'; missed: boolean } | { kind: 'pulse'; pulse: Pulse } | { kind: 'lost' };

/** Milliseconds between two refreshes of one part, by what it follows. */
const calm: Record<string, number> = { spans: 2000, scores: 2000, cases: 400, changes: 400 };

const state = new WeakMap<Element, { last: number; timer?: ReturnType<typeof setTimeout>; busy?: boolean; again?: boolean }>();
let stale = false;

export const isPaused = (): boolean => {
  const toggle = document.querySelector<HTMLElement>('[data-live-toggle]');
  return !toggle || toggle.getAttribute('aria-pressed') === 'true';
};

function show(words: string, connection: 'open' | 'lost'): void {
  const toggle = document.querySelector<HTMLElement>('[data-live-toggle]');
  if (!toggle || toggle.dataset['fixed']) return;
  toggle.dataset['state'] = connection;
  toggle.querySelector('[data-live-words]')!.textContent = words;
}

async function refresh(part: HTMLElement): Promise<void> {
  const mine = state.get(part)!;
  if (mine.busy) { mine.again = true; return; }
  mine.busy = true;
  mine.last = Date.now();
  try {
    await htmx.ajax('GET', location.pathname + location.search, { source: part, target: part, select: '#' + part.id, swap: 'outerMorph' });
  } finally {
    mine.busy = false;
    if (mine.again) { mine.again = false; schedule(part, 2000); }
  }
}

function schedule(part: HTMLElement, wait: number): void {
  // A part that is dear to make says how often it may be asked for, from when it was shown on.
  const every = Number(part.dataset['liveEvery'] ?? 0);
  wait = Math.max(wait, every);
  const mine = state.get(part) ?? { last: every > 0 ? Date.now() : 0 };
  state.set(part, mine);
  if (mine.timer) return;
  mine.timer = setTimeout(() => {
    mine.timer = undefined;
    if (document.hidden || isPaused()) { stale = true; return; }
    if (!part.isConnected) return;
    if (part.dataset['liveHold'] !== undefined && isBeingRead(part)) { part.dispatchEvent(new CustomEvent('live-held', { bubbles: true })); return; }
    void refresh(part);
  }, Math.max(0, mine.last + wait - Date.now()));
}

/** New rows must not move what somebody is reading: the part waits while the pointer, the keyboard or a scroll is in it. */
function isBeingRead(part: HTMLElement): boolean {
  return part.matches(':hover') || part.contains(document.activeElement) || part.querySelector('[data-on]') !== null
    || (document.getElementById('main')?.scrollTop ?? 0) > 80;
}

function follow(pulse: Pulse): void {
  for (const part of document.querySelectorAll<HTMLElement>('[data-live]')) {
    const topics = part.dataset['live']!.split(' ').filter(topic =>
      topic === 'spans' ? pulse.spans > 0 : topic === 'scores' ? pulse.scores > 0 : topic === 'logs' ? pulse.logs > 0
        : topic === 'cases' ? pulse.cases.length > 0 : topic === 'changes' ? pulse.changes > 0 : false);
    if (topics.length > 0) schedule(part, Math.min(...topics.map(topic => calm[topic] ?? 2000)));
  }
  document.dispatchEvent(new CustomEvent<Pulse>('live-pulse', { detail: pulse }));
}

/** Asks for every live part now, whatever is being read. */
export function refreshAll(force = true): void {
  stale = false;
  for (const part of document.querySelectorAll<HTMLElement>('[data-live]')) {
    if (!state.has(part)) state.set(part, { last: 0 });
    if (force) void refresh(part); else schedule(part, 0);
  }
}

function receive(message: Message): void {
  if (message.kind === 'lost') { show('Reconnecting', 'lost'); return; }
  show(isPaused() ? 'Paused' : 'Live', 'open');
  if (message.kind === 'open') { if (message.missed && !isPaused()) refreshAll(false); return; }
  if (isPaused()) { stale = true; return; }
  follow(message.pulse);
}

export function startLive(): void {
  const url = document.body.dataset['liveSrc'];
  if (!url) return;
  const toggle = document.querySelector<HTMLButtonElement>('[data-live-toggle]');
  if (toggle && !toggle.dataset['fixed']) {
    const set = (paused: boolean) => {
      toggle.setAttribute('aria-pressed', String(paused));
      show(paused ? 'Paused' : 'Live', 'open');
      sessionStorage.setItem('paused', paused ? '1' : '');
      if (!paused && stale) refreshAll();
    };
    if (sessionStorage.getItem('paused') === '1') set(true);
    toggle.addEventListener('click', () => set(toggle.getAttribute('aria-pressed') !== 'true'));
  }

  let send: (message: { kind: string; url?: string }) => void;
  if (typeof SharedWorker === 'function') {
    const worker = new SharedWorker(document.body.dataset['liveWorker']!, { name: 'faultline-live' });
    worker.port.onmessage = (event: MessageEvent<Message>) => receive(event.data);
    worker.port.start();
    send = message => worker.port.postMessage(message);
  } else {
    // Without shared workers each visible tab has a stream of its own.
    let stream: EventSource | undefined;
    let last = 0;
    send = message => {
      if (message.kind === 'show' && !stream) {
        stream = new EventSource(url);
        stream.addEventListener('hello', event => {
          const number = (JSON.parse(event.data as string) as { number: number }).number;
          receive({ kind: 'open', missed: last !== 0 && last !== number });
          last = number;
        });
        stream.addEventListener('pulse', event => { const pulse = JSON.parse(event.data as string) as Pulse; last = pulse.number; receive({ kind: 'pulse', pulse }); });
        stream.onerror = () => receive({ kind: 'lost' });
      } else if (message.kind !== 'show') { stream?.close(); stream = undefined; }
    };
  }
  const tell = () => {
    send({ kind: document.hidden ? 'hide' : 'show', url: new URL(url, location.href).href });
    if (!document.hidden && stale && !isPaused()) refreshAll();
    if (document.hidden) stale = true;
  };
  document.addEventListener('visibilitychange', tell);
  addEventListener('pagehide', () => send({ kind: 'bye' }));
  addEventListener('pageshow', event => { if ((event as PageTransitionEvent).persisted) tell(); });
  tell();
}
