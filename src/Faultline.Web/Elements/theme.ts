/** The theme is a cookie, so that the server writes it into the page and nothing flashes. */
export function startTheme(): void {
  for (const button of document.querySelectorAll<HTMLButtonElement>('[data-theme-set]')) {
    button.addEventListener('click', () => setTheme(button.dataset['themeSet']!));
  }
}

export function setTheme(theme: string): void {
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  document.documentElement.dataset['theme'] = theme;
  for (const button of document.querySelectorAll<HTMLElement>('[data-theme-set]')) button.setAttribute('aria-pressed', String(button.dataset['themeSet'] === theme));
  document.dispatchEvent(new Event('theme-changed'));
}
