import DOMPurify from 'dompurify';
import { marked } from 'marked';

/** <safe-markdown>text</safe-markdown>: shows its text as markdown, without anything that runs, loads or posts. Light DOM, so that the page's styles apply. */
class SafeMarkdown extends HTMLElement {
  private source?: string;
  private readonly watch = new MutationObserver(() => this.draw());

  connectedCallback(): void { this.draw(); }
  disconnectedCallback(): void { this.watch.disconnect(); }

  private draw(): void {
    this.watch.disconnect();
    const text = this.textContent ?? '';
    // Past this a browser tab would hang on it; plain text does not.
    if (text !== this.source && text.length < 200_000) {
      const rendered = DOMPurify.sanitize(marked.parse(text, { async: false, breaks: true, gfm: true }), {
        RETURN_DOM_FRAGMENT: true,
        FORBID_TAGS: ['img', 'video', 'audio', 'iframe', 'form', 'input', 'button', 'style', 'svg', 'math'],
        FORBID_ATTR: ['style', 'class', 'id', 'srcset'],
      });
      for (const link of rendered.querySelectorAll('a')) { link.rel = 'noopener noreferrer nofollow'; link.target = '_blank'; }
      this.replaceChildren(rendered);
      this.classList.add('rendered');
      this.source = this.textContent ?? '';
    }
    this.watch.observe(this, { childList: true, characterData: true, subtree: true });
  }
}
customElements.define('safe-markdown', SafeMarkdown);
