"""How the page looks."""

from typing import Final

STYLE: Final = """
:root{--ink:#1b1f24;--soft:#57606a;--paper:#fff;--card:#f6f8fa;--line:#d0d7de;--link:#0757b8;
--good:#116329;--bad:#b3201b;--bad-paper:#fff0ee;--none:#6e5600;--raw:#2f7ed8;--packed:#7fb2ea}
@media (prefers-color-scheme:dark){:root{--ink:#f0f3f6;--soft:#a9b3be;--paper:#0d1117;--card:#161b22;
--line:#3d444d;--link:#71b7ff;--good:#4ac26b;--bad:#ff8b80;--bad-paper:#2b1413;--none:#e0b84c;
--raw:#58a6ff;--packed:#1f5c8c}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif}
main{max-width:60rem;margin:0 auto;padding:1rem}
h1,h2,h3,p{margin:.2em 0}h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:1.6rem}h3{font-size:1rem}
h1,h3,.checks span,a{overflow-wrap:anywhere}
a{color:var(--link)}.soft{color:var(--soft)}.hidden{position:absolute;clip-path:inset(50%);width:1px;overflow:hidden}
header{border-left:.4rem solid var(--line);padding:.2rem 0 .2rem 1rem}
header.passed{border-color:var(--good)}header.failed{border-color:var(--bad)}
.verdict{font-weight:700}.passed .verdict,.passed>b,.passed>a>b,.passed>summary>b{color:var(--good)}
.failed .verdict,.failed>b,.failed>a>b,.failed>summary>b{color:var(--bad)}
.skipped>b,.skipped>a>b,.skipped>summary>b{color:var(--none)}
.wide{overflow-x:auto}
.matrix{border-collapse:collapse;width:100%;margin-top:1rem}
.matrix th,.matrix td{border-bottom:1px solid var(--line);padding:.4rem .5rem;text-align:left;
white-space:nowrap}
.matrix td a{color:inherit;text-decoration:none}.matrix td.failed{background:var(--bad-paper)}
pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;padding:.6rem;margin:.4rem 0;
overflow-x:auto;font:.85rem/1.45 ui-monospace,'DejaVu Sans Mono',monospace;max-height:30rem}
pre.line,pre.message{white-space:pre-wrap;overflow-wrap:anywhere}
.failure{border:1px solid var(--bad);background:var(--bad-paper);border-radius:.5rem;
padding:.7rem 1rem;margin:.8rem 0}
.chart{display:grid;grid-template-columns:max-content 1fr max-content;gap:.25rem .7rem;
align-items:center;margin:.5rem 0}
.chart .number{font-variant-numeric:tabular-nums;text-align:right}
.room{position:relative;height:1rem;background:var(--card);border-radius:.2rem}
.room div{height:100%;border-radius:.2rem;min-width:2px}.room i{position:absolute;top:-.15rem;height:1.3rem;
border-left:2px solid var(--ink)}
.raw_bytes,.time{background:var(--raw)}.zstd_bytes{background:var(--packed)}
span.time{background:none;font-variant-numeric:tabular-nums}
figure{margin:.8rem 0}figcaption{color:var(--soft);font-size:.9rem}
details{margin:.4rem 0}summary{cursor:pointer;padding:.25rem 0}
.step{border-top:1px solid var(--line)}
.checks{list-style:none;padding:0;margin:.2rem 0 .8rem}
.checks li{display:flex;gap:.5rem;padding:.15rem 0}
.checks div>.soft:last-child:not(.time){display:block;font-size:.9rem}
@media (max-width:34rem){.matrix{font-size:.78rem}.matrix th,.matrix td{padding:.4rem .12rem}
.chart{font-size:.85rem;gap:.25rem .4rem}}
:target{scroll-margin-top:.5rem}
@media print{details>*{display:block}}
"""
"""Text has a contrast of at least 4.5 on what it stands on, in both schemes (WCAG AA)."""
