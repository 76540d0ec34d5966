// The thin line under the top bar: what a part of the page asked for did not come. The page stays as it is.

interface Asked { request: { method?: string }; response: { raw: Response } }

function say(words: string, link?: { href: string; words: string }): void {
  const line = document.getElementById('trouble');
  if (!line) return;
  line.replaceChildren(words);
  if (link) {
    const anchor = document.createElement('a');
    anchor.href = link.href;
    anchor.textContent = link.words;
    line.append(' ', anchor);
  }
  line.hidden = false;
}

export function startTrouble(): void {
  document.addEventListener('htmx:before:response', event => {
    const { request, response: { raw } } = (event as CustomEvent<{ ctx: Asked }>).detail.ctx;
    if (raw.redirected && new URL(raw.url).pathname === '/login') {
      event.preventDefault();
      say('You are signed out, so nothing here is updated.', { href: `/login?to=${encodeURIComponent(location.pathname + location.search)}`, words: 'Sign in' });
    } else if (raw.status >= 400) {
      event.preventDefault();
      say(request.method && request.method !== 'GET'
        ? `That was not done: the server answered ${raw.status}. Try again.`
        : `A part of this page could not be updated: the server answered ${raw.status}. What is shown may be old.`);
    } else document.getElementById('trouble')?.setAttribute('hidden', '');
  });
  document.addEventListener('htmx:error', () => say('The server does not answer. What is shown may be old.'));
}
