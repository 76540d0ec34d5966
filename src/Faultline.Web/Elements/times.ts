// The server writes local times once it knows the zone (a cookie). On the very first page it does not, and this rewrites
// them. Ages count up by themselves.

const forms: Record<string, Intl.DateTimeFormatOptions> = {
  time: { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
  millis: { hour: '2-digit', minute: '2-digit', second: '2-digit', fractionalSecondDigits: 3, hourCycle: 'h23' },
  minute: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', hourCycle: 'h23' },
  day: { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' },
};

export function age(seconds: number): string {
  if (seconds < 1) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} d`;
}

function rewrite(all: boolean): void {
  for (const element of document.querySelectorAll<HTMLTimeElement>('time[data-as]')) {
    const at = new Date(element.dateTime.replace(/(\.\d{3})\d+/, '$1'));
    const form = element.dataset['as']!;
    if (form === 'age') element.textContent = age((Date.now() - at.getTime()) / 1000);
    else if (all && forms[form]) element.textContent = new Intl.DateTimeFormat('en-US', forms[form]).format(at);
  }
}

export function startTimes(): void {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const known = document.documentElement.dataset['zone'];
  const differs = known !== zone;
  if (differs) document.cookie = `tz=${zone}; path=/; max-age=31536000; samesite=lax`;
  rewrite(differs);
  if (differs) document.addEventListener('htmx:after:swap', () => rewrite(true));
  setInterval(() => { if (!document.hidden) rewrite(false); }, 10_000);
}
