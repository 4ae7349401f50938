/** The page's looks, light and dark. Colours are Okabe and Ito's, told apart with any colour vision. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --ground: #ffffff; --raised: #f5f6f8; --ink: #1b1f24; --soft: #57606a; --rule: #d5d9de;
  --loss: #0072b2; --accuracy: #b34a00; --flow: #00795a; --reference: #57606a;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14171a; --raised: #1e2328; --ink: #e8eaed; --soft: #a3abb5; --rule: #3a4149;
    --loss: #56b4e9; --accuracy: #e69f00; --flow: #2fc79c; --reference: #a3abb5;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 56px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 36px 0 10px; }
p { margin: 4px 0; }
.soft, .caption, figcaption { color: var(--soft); }
figcaption, .caption { font-size: 14px; margin: 0 0 4px; }
.scroll + .caption { margin-top: 24px; }
.scroll + .soft { margin-top: 10px; }
.notice { border-left: 4px solid var(--accuracy); padding: 6px 12px; background: var(--raised); margin-top: 16px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 20px 0 0; }
.figures div { background: var(--raised); border-radius: 8px; padding: 10px 14px; }
.figures dt { color: var(--soft); font-size: 13px; }
.figures dd { margin: 0; font-size: 22px; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(340px, 100%), 1fr)); gap: 20px; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 0 36px; }
figure { margin: 0; }
svg { display: block; max-width: 100%; height: auto; }
svg.chart { width: 100%; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .tick, svg .label { fill: var(--soft); }
.grid { stroke: var(--rule); stroke-width: 1; opacity: 0.6; }
.axis { stroke: var(--soft); stroke-width: 1; }
.raw, .line { fill: none; stroke-linejoin: round; }
.raw { stroke-width: 1; opacity: 0.35; }
.dot { stroke: none; }
.dot.loss { fill: var(--loss); }
.dot.accuracy { fill: var(--accuracy); }
.line { stroke-width: 2.25; }
.loss { stroke: var(--loss); }
.accuracy { stroke: var(--accuracy); }
.reference { stroke: var(--reference); stroke-width: 1.5; stroke-dasharray: 6 4; }
svg .reference-label, .flow text { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; stroke-linejoin: round; }
.box { fill: var(--raised); stroke: var(--soft); stroke-width: 1.25; }
svg .name { font-weight: 600; }
svg .fact { fill: var(--soft); }
.flow path { fill: none; stroke: var(--flow); }
.crowded { opacity: 0.6; }
.head { fill: var(--flow); }
svg.picture { margin: 0 auto 12px; }
.scroll { overflow-x: auto; }
.scroll + .scroll { margin-top: 28px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
th { color: var(--soft); font-weight: 500; }
.n { text-align: right; }
td.n, th.n { padding-right: 0; padding-left: 14px; white-space: nowrap; }
.matrix td, .matrix th { font-size: 13px; padding: 4px 0 4px 8px; white-space: nowrap; }
.matrix td:first-child, .matrix th:first-child { padding-left: 0; color: var(--soft); font-weight: 500; }
details { margin-top: 12px; }
summary { cursor: pointer; color: var(--soft); }
:focus-visible { outline: 2px solid var(--loss); }
@media (max-width: 600px) {
  main { padding: 20px 14px 40px; }
  .figures { grid-template-columns: repeat(2, 1fr); gap: 8px; }
  .figures dd { font-size: 19px; }
  svg.chart text { font-size: 16px; }
  /* What it shows can be read below. */
  svg.picture.many { display: none; }
  .wide thead { display: none; }
  .wide tbody, .wide tr { display: block; }
  .wide tr { padding: 6px 0; border-bottom: 1px solid var(--rule); }
  .wide td, .wide td.n { display: inline-block; padding: 0 14px 0 0; border: 0; white-space: normal; overflow-wrap: anywhere; }
  .wide td:first-child { display: block; color: var(--ink); font-weight: 600; }
  .wide td:not(:first-child)::before { content: attr(data-title) ' '; color: var(--soft); }
  .matrix td:not(:first-child)::before { content: '→ ' attr(data-title) ': '; }
  .wide td:empty { display: none; }
}
@media print { main { max-width: none; } }
`;
