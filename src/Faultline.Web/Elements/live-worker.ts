// One event stream a browser: browsers allow six connections a host over HTTP/1.1, and a stream in every tab would use
// them up. This shared worker holds the stream and hands every event to every tab; it closes it while no tab is visible.

interface Tab { port: MessagePort; visible: boolean }

const tabs = new Set<Tab>();
let stream: EventSource | undefined;
let url = '';
let last = 0;

function tell(message: unknown, only?: Tab): void {
  for (const tab of only ? [only] : tabs) if (tab.visible) tab.port.postMessage(message);
}

function open(): void {
  if (stream || !url) return;
  stream = new EventSource(url);
  stream.addEventListener('hello', event => {
    const number = (JSON.parse((event as MessageEvent<string>).data) as { number: number }).number;
    // Pulses went by while nobody listened, or the server is another one: what is shown may be old.
    tell({ kind: 'open', missed: last !== 0 && number !== last });
    last = number;
  });
  stream.addEventListener('pulse', event => {
    const pulse = JSON.parse((event as MessageEvent<string>).data) as { number: number };
    last = pulse.number;
    tell({ kind: 'pulse', pulse });
  });
  stream.onerror = () => {
    tell({ kind: 'lost' });
    if (stream?.readyState === EventSource.CLOSED) {
      stream = undefined;
      setTimeout(balance, 3000);
    }
  };
}

function balance(): void {
  const wanted = [...tabs].some(tab => tab.visible);
  if (wanted) open();
  else if (stream) {
    stream.close();
    stream = undefined;
  }
}

(self as unknown as { onconnect: (event: MessageEvent) => void }).onconnect = event => {
  const port = event.ports[0]!;
  const tab: Tab = { port, visible: false };
  tabs.add(tab);
  port.onmessage = ({ data }: MessageEvent<{ kind: 'show' | 'hide' | 'bye'; url?: string }>) => {
    if (data.url) url = data.url;
    if (data.kind === 'bye') tabs.delete(tab);
    else {
      tab.visible = data.kind === 'show';
      tabs.add(tab);
    }
    balance();
    if (data.kind === 'show' && stream?.readyState === EventSource.OPEN) tell({ kind: 'open', missed: false }, tab);
  };
  port.start();
};
