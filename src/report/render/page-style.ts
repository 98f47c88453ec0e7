/** The style of a report's page: light and dark by the reader's system, readable on paper and on a telephone. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--paper:#fff;--line:#d0d7de;--tint:#f3f6f9;--mark:#0b5cad;--bar:#7fb2e5;--good:#d7ecd9;--bad:#f9dcd8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ed;--soft:#a4adb8;--paper:#14171b;--line:#3a414a;--tint:#1d2228;--mark:#7ab8f5;--bar:#3f6f9f;--good:#1f3d25;--bad:#4a2420}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 4rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:1.6rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2.5rem 0 .75rem}
p{margin:.25rem 0}.soft,figcaption,caption{color:var(--soft)}
nav a{margin-right:1rem}a{color:var(--mark)}
table{border-collapse:collapse;margin:.5rem 0 1rem;font-variant-numeric:tabular-nums}
caption{text-align:left;font-size:.875rem;padding-bottom:.25rem}
th,td{border-bottom:1px solid var(--line);padding:.3rem .7rem;text-align:right;vertical-align:top}
th:first-child,td.text,th.text{text-align:left}thead th{color:var(--soft);font-weight:600}tbody th{font-weight:500}
td.text{min-width:16rem;overflow-wrap:anywhere}
.scroll{overflow-x:auto}td.hit{background:var(--good)}td.miss{background:var(--bad)}
.plots{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0}figcaption{font-size:.875rem;text-align:center}
.plot{width:16rem;height:16rem;background:var(--tint)}.plot text{font-size:10px;fill:var(--soft)}
.axis{stroke:var(--line);fill:none}.guide{stroke:var(--soft);stroke-dasharray:3 3;fill:none}
.bar{fill:var(--bar)}.dot{fill:var(--mark)}.line{fill:none;stroke-width:1.5;stroke:var(--mark)}.span{stroke:var(--bar);stroke-width:6}
.c1{stroke:#c2571a}.c2{stroke:#2e8b57}.c3{stroke:#9b59b6}.c4{stroke:#b8860b}
summary{cursor:pointer;font-weight:600}
`;
