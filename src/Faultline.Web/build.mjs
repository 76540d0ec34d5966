// Bundles what pages need into wwwroot/built: one script and one style sheet that every page loads, chunks that only
// some pages load, the shared worker, fonts and icons. Run by the project file; by hand: `npm run build`.
import { build } from 'esbuild';
import { readFile, rm, mkdir, writeFile } from 'node:fs/promises';

const out = 'wwwroot/built';
await rm(out, { recursive: true, force: true });
await mkdir(out, { recursive: true });

const shared = { bundle: true, minify: true, target: ['es2022'], logLevel: 'warning', legalComments: 'none' };

await build({
  ...shared,
  entryPoints: { app: 'Elements/app.ts' },
  format: 'esm',
  splitting: true,
  outdir: out,
  chunkNames: 'chunk-[name]-[hash]',
  loader: { '.css': 'text' },
  tsconfigRaw: { compilerOptions: { experimentalDecorators: true, useDefineForClassFields: false } },
});
await build({ ...shared, entryPoints: { 'live-worker': 'Elements/live-worker.ts' }, format: 'iife', outdir: out });
await build({
  ...shared,
  entryPoints: { app: 'Styles/app.css' },
  outdir: out,
  loader: { '.woff2': 'file' },
  assetNames: 'font-[name]-[hash]',
});

const icons = (await readFile('Styles/icons.txt', 'utf8')).split('\n').map(line => line.trim()).filter(Boolean);
const symbols = await Promise.all(icons.map(async name => {
  const svg = await readFile(`node_modules/lucide-static/icons/${name}.svg`, 'utf8');
  const body = svg.slice(svg.indexOf('>', svg.indexOf('<svg')) + 1, svg.lastIndexOf('</svg>')).replace(/\s*\n\s*/g, '');
  return `<symbol id="${name}" viewBox="0 0 24 24">${body}</symbol>`;
}));
await writeFile(`${out}/icons.svg`, `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join('')}</svg>`);
