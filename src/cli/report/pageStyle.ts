/** The page's whole style. It loads nothing, so that a report stays one file. */
export const pageStyle = `
:root{color-scheme:light dark;--bg:#f4f5f7;--card:#fff;--ink:#18202b;--muted:#5b6675;--line:#e4e8ed;--axis:#c3cad3;
--filled:#12805c;--placed:#b97a00;--planned:#7c8896;--dot:#2f66d0;--buy:#1b62c4;--sell:#a2478a;--bad:#b3261e;--bad-bg:#fdecea;
--note-bg:#fff6e0;--note:#6d4b00}
@media (prefers-color-scheme:dark){:root{--bg:#0e1218;--card:#161c25;--ink:#e6ebf2;--muted:#98a5b5;--line:#27303c;--axis:#3d4857;
--filled:#3fbf8e;--placed:#e0a93b;--planned:#8794a5;--dot:#6c9cff;--buy:#3b82e6;--sell:#c469ab;--bad:#ff8a80;--bad-bg:#3a1a1a;
--note-bg:#2f2712;--note:#f0cd7a}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.45 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:20px 16px 40px}
header{margin-bottom:16px}
h1{font-size:1.5rem;line-height:1.2;margin:0 0 4px;display:flex;flex-wrap:wrap;gap:6px 10px;align-items:center}
h2{font-size:1rem;margin:0 0 2px}
p{margin:4px 0}
.muted{color:var(--muted);font-size:.875rem}
.id{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}
.side,.state{font-size:.8rem;font-weight:600;border-radius:6px;padding:3px 9px}
.side{color:#fff;background:var(--muted)}.side.BUY{background:var(--buy)}.side.SELL{background:var(--sell)}
.state{border:1px solid var(--axis);color:var(--muted)}
.state.filled{border-color:var(--filled);color:var(--filled)}
.state.failed,.state.held,.state.unfilled{border-color:var(--bad);color:var(--bad)}
.alarm,.standing{border-radius:8px;padding:10px 14px;margin:0 0 10px;overflow-wrap:anywhere}
.alarm{background:var(--bad-bg);color:var(--bad);font-weight:600}.standing{background:var(--note-bg);color:var(--note)}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:10px;margin:0 0 12px}
.figure,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
.figure{padding:11px 14px}
.figure b{display:block;font-size:1.2rem;font-weight:650;line-height:1.35;font-variant-numeric:tabular-nums;white-space:nowrap}
.bar{height:6px;border-radius:3px;background:var(--line);overflow:hidden;margin-top:6px;display:flex}
.bar i{background:var(--filled)}.bar i+i{background:var(--placed)}
section{padding:14px 16px;margin:0 0 12px}
.keys{display:flex;flex-wrap:wrap;gap:2px 16px;color:var(--muted);font-size:.8125rem;margin:2px 0 4px}
.keys span::before{content:"";display:inline-block;width:14px;border-top:3px solid var(--key);vertical-align:middle;margin-right:6px}
.keys .plain::before{display:none}.keys .dashed::before{border-top-style:dashed;border-top-width:2px}.keys .dotted::before{border-top-style:dotted;border-top-width:2px}
.keys .dot::before{width:9px;height:9px;border:0;border-radius:50%;background:var(--key)}
.chart svg{display:block;width:100%;height:auto}.chart .phone{display:none}
.scroll{overflow-x:auto;margin:6px -16px 0;padding:0 16px}
table{border-collapse:collapse;width:100%;font-size:.875rem;font-variant-numeric:tabular-nums}
th{color:var(--muted);font-weight:600;font-size:.75rem;text-align:left;white-space:nowrap}
th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}
th:last-child,td:last-child{padding-right:0}
td{white-space:nowrap}td.long{white-space:normal;min-width:15rem;overflow-wrap:anywhere}
.n{text-align:right}
tr:last-child td,tr.upper td{border-bottom:0}tr.upper td{padding-bottom:0}
td.bad,tr.bad td.stage{color:var(--bad);font-weight:600}
ul{margin:4px 0 0;padding-left:20px}
summary{cursor:pointer;font-weight:600}
footer{color:var(--muted);font-size:.8125rem}
@media (max-width:640px){main{padding:14px 10px 30px}section{padding:12px}.scroll{margin:6px -12px 0;padding:0 12px}
h1{font-size:1.25rem}.figures{grid-template-columns:1fr 1fr;gap:8px}.figure:first-child,.figure:last-child:nth-child(even){grid-column:span 2}.figure{padding:9px 11px}.figure b{font-size:1.1rem}
.chart .phone{display:block}.chart .desk{display:none}}
@media print{body{background:#fff}section,.figure{break-inside:avoid}details:not([open])>*{display:block}}
`
