import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching, HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { lintKeymap } from '@codemirror/lint';
import { EditorState, Prec } from '@codemirror/state';
import { EditorView, keymap, placeholder } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { PromQLExtension } from '@prometheus-io/codemirror-promql';
import { LitElement, css, html } from 'lit';
import { customElement, property } from 'lit/decorators.js';

const colours = HighlightStyle.define([
  { tag: [tags.function(tags.variableName), tags.keyword, tags.operatorKeyword, tags.modifier], color: 'var(--series-3)' },
  { tag: [tags.string, tags.special(tags.string)], color: 'var(--series-2)' },
  { tag: [tags.number, tags.unit], color: 'var(--series-1)' },
  { tag: tags.labelName, color: 'var(--series-0)' },
  { tag: tags.comment, color: 'var(--ink-3)' },
]);

/** <promql-editor><input name="query"></promql-editor>: Prometheus' own editor over a plain field, which keeps the value and works without scripts. Enter runs, Shift+Enter breaks the line. */
@customElement('promql-editor')
export class PromQlEditor extends LitElement {
  // In a shadow root CodeMirror uses constructed style sheets, which the content security policy allows.
  static override styles = css`
    :host { display: block; min-width: 0; }
    .editor { border: 1px solid var(--line-strong); border-radius: 6px; background: var(--surface); }
    .editor:focus-within { outline: 2px solid var(--focus); outline-offset: -1px; }
    .cm-editor { outline: none !important; color: var(--ink); }
    slot { display: none; }
  `;
  @property() prometheus = '/prometheus';
  private view?: EditorView;

  private get field(): HTMLInputElement | HTMLTextAreaElement { return this.querySelector('input, textarea')!; }

  override render() { return html`<div class="editor"></div><slot></slot>`; }

  override firstUpdated(): void {
    const promql = new PromQLExtension().setComplete({ remote: { url: this.prometheus, fetchFn: fetch.bind(window), httpMethod: 'GET' } });
    const run = (): boolean => { this.field.form?.requestSubmit(); return true; };
    this.view = new EditorView({
      parent: this.renderRoot.querySelector<HTMLElement>('.editor')!,
      root: this.renderRoot as ShadowRoot,
      state: EditorState.create({
        doc: this.field.value,
        extensions: [
          history(), bracketMatching(), closeBrackets(), autocompletion({ icons: false }), syntaxHighlighting(colours), promql.asExtension(), EditorView.lineWrapping,
          placeholder('A metric or a PromQL expression'),
          Prec.highest(keymap.of([{ key: 'Shift-Enter', run: view => { view.dispatch(view.state.replaceSelection('\n')); return true; } }])),
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...lintKeymap, { key: 'Enter', run }, ...defaultKeymap]),
          EditorView.updateListener.of(update => { if (update.docChanged) this.field.value = update.state.doc.toString(); }),
          EditorView.contentAttributes.of({ 'aria-label': 'PromQL expression' }),
          EditorView.theme({
            '&': { fontSize: '13px' },
            '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '20px' },
            '.cm-content': { padding: '7px 4px', caretColor: 'var(--ink)' },
            '.cm-cursor': { borderLeftColor: 'var(--ink)' },
            '.cm-placeholder': { color: 'var(--ink-3)' },
            '.cm-tooltip': { background: 'var(--raised)', border: '1px solid var(--line-strong)', borderRadius: '6px', boxShadow: 'var(--float)', overflow: 'hidden', color: 'var(--ink)' },
            '.cm-tooltip-autocomplete > ul': { fontFamily: 'var(--mono)', fontSize: '12px', maxHeight: '280px' },
            '.cm-tooltip-autocomplete > ul > li': { padding: '3px 8px !important' },
            '.cm-tooltip-autocomplete > ul > li[aria-selected]': { background: 'var(--selected) !important', color: 'var(--ink) !important' },
            '.cm-completionDetail': { color: 'var(--ink-3)', fontStyle: 'normal', marginLeft: '12px' },
            '.cm-completionInfo': { fontFamily: 'var(--font)', fontSize: '12px', padding: '8px 12px', maxWidth: '360px' },
            '.cm-matchingBracket': { background: 'var(--accent-soft) !important', outline: '1px solid var(--accent-line)' },
            '.cm-diagnostic-error': { borderLeftColor: 'var(--bad)', padding: '6px 10px' },
            '&.cm-focused .cm-selectionBackground, .cm-selectionBackground': { background: 'var(--accent-soft) !important' },
          }),
        ],
      }),
    });
  }

  override focus(): void { this.view?.focus(); }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.view?.destroy();
    this.view = undefined;
  }
}
