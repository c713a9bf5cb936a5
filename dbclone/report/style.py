"""How the report looks: its head and its style sheet. Dark and light, phone and paper."""

HEAD = """<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
"""
"""The policy lets the browser load nothing at all."""

STYLE = """
:root { --ground: #f6f7f9; --card: #fff; --ink: #1b2230; --quiet: #5b6474; --line: #e1e4ea; --clone: #8db4e8;
  --source: #c2410c; --fill: #2f6fc4; --good: #15803d; --bad: #b3261e; --goodbg: #e7f5ec; --badbg: #fdecea;
  --s0: #cfe3ff; --s1: #d6f2dc; --s2: #fde7c7; --s3: #ecdcff; --s4: #ffd9dc; --s5: #d3f1f1; --s6: #eceef2; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #12151a; --card: #1a1e25; --ink: #e7eaf0; --quiet: #9aa4b5; --line: #2e3440; --clone: #3f6ea8;
    --source: #ffa35c; --fill: #74a7ee; --good: #5fd08f; --bad: #ff8a80; --goodbg: #12301f; --badbg: #3a1917;
    --s0: #24446e; --s1: #1f4a2f; --s2: #55401c; --s3: #43306a; --s4: #5c2b33; --s5: #1d4a4c; --s6: #2a2f38; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 70rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.15rem; font-weight: 600; color: var(--quiet); margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 0 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
p { margin: 0 0 .75rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.1rem 1.2rem;
  margin-top: 1rem; }
nav { display: flex; flex-wrap: wrap; gap: .4rem; margin-top: 1rem; }
nav a { color: var(--ink); text-decoration: none; border: 1px solid var(--line); background: var(--card);
  border-radius: 2rem; padding: .15rem .75rem; font-size: .875rem; }
.verdict { display: inline-block; font-size: 1.5rem; font-weight: 700; margin: 0 0 1rem; padding: .3rem .9rem;
  border-radius: .6rem; }
.good { color: var(--good); } .bad { color: var(--bad); }
.verdict.good { background: var(--goodbg); } .verdict.bad { background: var(--badbg); }
.quiet { color: var(--quiet); font-size: .875rem; font-weight: 400; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(6.4rem, 1fr)); gap: .6rem; margin: 0 0 .75rem; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .55rem .8rem; }
.tiles b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--quiet); font-size: .85rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .925rem; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--quiet); font-weight: 500; font-size: .85rem; }
.bar { display: grid; grid-template-columns: minmax(8rem, 2fr) 5fr 8rem; gap: .75rem; align-items: center;
  padding: .14rem 0; }
.bar span { overflow-wrap: anywhere; font-size: .9rem; }
.bar b { font-weight: 500; text-align: right; font-variant-numeric: tabular-nums; font-size: .9rem; }
.bar svg { width: 100%; height: .6rem; border-radius: .3rem; }
.track { fill: var(--line); } .fill { fill: var(--fill); } .mark { fill: var(--ink); }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .875rem; margin-bottom: .25rem; overflow-wrap: anywhere; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem .7rem; break-inside: avoid; }
.chart { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 10px; }
rect.clone { fill: var(--clone); }
polyline.source, path.source { fill: none; stroke: var(--source); stroke-width: 1.6; }
path.source { stroke-width: 3; } .axis { stroke: var(--line); }
.key { display: inline-block; width: 1rem; height: .7rem; border-radius: .15rem; vertical-align: -.05rem;
  background: var(--clone); }
.key.source { background: none; border-top: 3px solid var(--source); height: .35rem; margin-left: .75rem; }
.maps { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1rem; }
.map { width: 100%; height: auto; } .heat { fill: var(--fill); } .off { fill: var(--bad); }
.schema { display: block; width: 100%; height: auto; } .schema text { fill: var(--ink); font-size: 11.5px; }
.edge { fill: none; stroke: var(--quiet); stroke-width: 1.1; opacity: .55; }
.box { stroke: var(--line); } .star0 { fill: var(--s0); } .star1 { fill: var(--s1); } .star2 { fill: var(--s2); }
.star3 { fill: var(--s3); } .star4 { fill: var(--s4); } .star5 { fill: var(--s5); } .star6 { fill: var(--s6); }
details { margin-top: .9rem; } summary { cursor: pointer; color: var(--quiet); }
details > :not(summary) { margin-top: .75rem; }
pre { overflow: auto; max-height: 30rem; padding: .75rem; background: var(--ground); border-radius: .4rem;
  font-size: .8rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem 1rem; margin: 0; }
dt { color: var(--quiet); } dd { margin: 0; overflow-wrap: anywhere; }
ul { margin: 0; padding-left: 1.2rem; }
@media (max-width: 40rem) { main { padding: 1rem .6rem 3rem; } section { padding: .9rem .8rem; }
  .bar { grid-template-columns: 1fr 8rem; } .bar span { grid-column: 1; } .bar svg { grid-column: 1 / -1; grid-row: 2; }
  .bar b { grid-column: 2; grid-row: 1; } .verdict { font-size: 1.25rem; } .scroll table { min-width: 32rem; } }
@media print { :root { color-scheme: light; } body { font-size: 11pt; background: none; } nav { display: none; }
  section { break-inside: auto; border: 0; padding: .5rem 0; } .card, tr { break-inside: avoid; }
  details { display: none; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
