# Copyright (c) 2026, sre.runbooks contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Style and script of the page: they stand in it, so that it needs nothing from anywhere."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --back: #fff; --card: #f6f7f9; --text: #1b1f24; --dim: #59626e; --line: #d5dae1;
  --bad: #b3261e; --bad-back: #fdeceb; --good: #1a6b35; --good-back: #e8f5ec; --warn: #7a4d00; --warn-back: #fff4dc;
  --accent: #1f5fbf; --fill: #f3c9c5; --leaf: #8fb3e8; --d0: #dce7f7; --d1: #bdd2f0; --d2: #f7e3c3; --d3: #f2cf9a; --d4: #f3c9c5; --edge: #5d6b7e; }
@media (prefers-color-scheme: dark) { :root { --back: #14171b; --card: #1d2127; --text: #e6e9ed; --dim: #a3adb9; --line: #363d47;
  --bad: #ff9d94; --bad-back: #3b1c1a; --good: #8fd6a4; --good-back: #17301e; --warn: #f1c26b; --warn-back: #372a10;
  --accent: #8db8f5; --fill: #6b2f2a; --leaf: #3e6299; --d0: #24344b; --d1: #2f496d; --d2: #4d3d1f; --d3: #66502a; --d4: #6b2f2a; --edge: #8794a6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 1180px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1rem 0 .4rem; } p { margin: .4rem 0; } .dim { color: var(--dim); }
nav { margin: .8rem 0; display: flex; flex-wrap: wrap; gap: 0 1rem; } nav a { padding: .2rem 0; } a { color: var(--accent); }
code, .mono { font: .92em ui-monospace, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.verdict { padding: .8rem 1rem; border-left: 5px solid; border-radius: 6px; margin: 1rem 0; }
.verdict p:first-child { font-weight: 650; font-size: 1.08rem; margin-top: 0; }
.suspects { color: var(--bad); background: var(--bad-back); } .healthy { color: var(--good); background: var(--good-back); }
.histogram, .note { color: var(--warn); background: var(--warn-back); }
.verdict p + p { color: var(--text); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: .7rem; margin: 1rem 0; padding: 0; }
.tiles div { background: var(--card); border-radius: 8px; padding: .6rem .9rem; } .tiles dt { color: var(--dim); font-size: .85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 650; font-variant-numeric: tabular-nums; }
.card { border: 1px solid var(--line); border-radius: 10px; padding: .4rem 1.2rem 1rem; margin: 1rem 0; }
.areas li { margin: .3rem 0; } .areas code { font-weight: 650; }
.wide { overflow-x: auto; } .wide + .wide { margin-top: 1.2rem; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th { text-align: left; color: var(--dim); font-weight: 600; border-bottom: 2px solid var(--line); position: sticky; top: 0; background: var(--back); }
th, td { padding: .28rem .6rem; } td { border-bottom: 1px solid var(--line); overflow-wrap: anywhere; vertical-align: top; }
td.n, th.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.bar { white-space: nowrap; background: linear-gradient(to left, var(--d1) var(--part, 0%), transparent 0); text-align: right;
  font-variant-numeric: tabular-nums; }
input { font: inherit; padding: .3rem .6rem; width: 20rem; max-width: 100%; border: 1px solid var(--line); border-radius: 6px;
  background: var(--card); color: inherit; margin: .2rem 0 .6rem; }
details > details, details > ul { margin-left: 1.2rem; } summary { cursor: pointer; overflow-wrap: anywhere; padding: .1rem 0; }
summary:focus-visible, a:focus-visible, input:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.leafnode { margin-left: 1.1rem; padding: .1rem 0; overflow-wrap: anywhere; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--text); font: 12px ui-monospace, Consolas, "DejaVu Sans Mono", monospace; }
svg.path { max-width: 860px; } .treemap rect { stroke: var(--edge); stroke-width: .7; } .treemap text { font-size: 11px; pointer-events: none; }
.treemap g:hover > rect { stroke-width: 2; stroke: var(--accent); }
.rest { fill: var(--card); } .d0 { fill: var(--d0); } .d1 { fill: var(--d1); } .d2 { fill: var(--d2); } .d3 { fill: var(--d3); } .d4 { fill: var(--d4); }
.box { fill: var(--card); stroke: var(--line); } .share { fill: var(--d0); } .last .box { stroke: var(--bad); stroke-width: 2; }
.last .share { fill: var(--fill); } svg .kind, svg .label { fill: var(--dim); } svg .name { font-weight: 700; font-size: 13px; }
svg .amount { text-anchor: end; font-weight: 600; } svg .root { fill: var(--dim); font-weight: 600; } svg .field { fill: var(--accent); font-weight: 700; }
svg .kind { font-weight: 400; } .arrow, .branch { stroke: var(--edge); stroke-width: 1.5; fill: none; } .head { fill: var(--edge); }
rect.leaf { fill: var(--leaf); }
footer { margin-top: 2.5rem; color: var(--dim); font-size: .88rem; }
@media print { .card, svg { break-inside: avoid; } nav, input { display: none; } }
"""

SCRIPT = """
for (const input of document.querySelectorAll("input[data-table]")) {
  const rows = document.getElementById(input.dataset.table).tBodies[0].rows;
  input.hidden = false;
  input.addEventListener("input", () => {
    const wanted = input.value.toLowerCase();
    for (const row of rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
  });
}
"""
