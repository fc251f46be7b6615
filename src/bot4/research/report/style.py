"""The report's style sheet and script, both inline: the file must work alone, from any disk."""

STYLE = """
:root{color-scheme:light dark;--bg:#f4f6f9;--card:#fff;--text:#17212d;--muted:#566374;--rule:#e1e6ec;
--grid:#edf0f4;--accent:#2457c5;--pos:#0b7a4b;--neg:#c0303c;--amber:#8a5a00;--amber-bg:#fff4d6;
--amber-rule:#e8c46a;--track:#eef1f5;--bar:#7d97c4}
@media (prefers-color-scheme:dark){:root{--bg:#0d1218;--card:#151c25;--text:#e3e9f0;--muted:#95a3b4;
--rule:#26303c;--grid:#1e2731;--accent:#7ba6ff;--pos:#43cf92;--neg:#ff747d;--amber:#f3c969;
--amber-bg:#2b2310;--amber-rule:#6b5520;--track:#1e2731;--bar:#5b7db8}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1144px;margin:0 auto;padding:28px 16px 48px}
h1{font-size:25px;line-height:1.25;margin:0;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 2px}
p{margin:0}
.sub,.note,.remark,.hint{color:var(--muted)}
.sub{margin-top:2px}.hint{font-size:13px;margin-bottom:10px}.note{font-size:13px;margin-top:8px}
.pos{color:var(--pos)}.neg{color:var(--neg)}
.banner{background:var(--amber-bg);border:1px solid var(--amber-rule);color:var(--amber);border-radius:10px;
padding:10px 16px;margin-bottom:18px}
.banner b{letter-spacing:.04em}
.verdict{font-size:19px;line-height:1.4;margin-top:14px;font-weight:600}
.verdict+p{color:var(--muted);max-width:78ch;margin-top:4px}
.card,.tile{background:var(--card);border:1px solid var(--rule);border-radius:12px}
.card{padding:16px 18px;margin-top:16px}
.tiles{display:grid;grid-template-columns:repeat(4,1fr);gap:12px;margin-top:20px}
.tile{padding:12px 16px;min-width:0}
.tile span{display:block;font-size:13px;color:var(--muted)}
.tile b{display:block;font-size:22px;line-height:1.35;font-weight:650;font-variant-numeric:tabular-nums;
white-space:nowrap;overflow:hidden;text-overflow:ellipsis}
.tile b small{font-size:13px;font-weight:500;color:var(--muted)}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:16px}
.pair>*{min-width:0}
.warn{border-color:var(--amber-rule)}
.warn ul{margin:6px 0 0;padding-left:20px}
.facts{display:grid;grid-template-columns:repeat(3,1fr);gap:10px 24px;margin:0}
.facts dt,.figures dt,.params dt{color:var(--muted);font-size:13px}
.facts dd{margin:0;overflow-wrap:anywhere}
.figures{display:grid;grid-template-columns:repeat(3,1fr);gap:0 32px;margin:6px 0 0}
.figures div,.params div{display:flex;justify-content:space-between;gap:12px;padding:6px 0;
border-bottom:1px solid var(--rule)}
.figures dd,.params dd{margin:0;text-align:right;font-variant-numeric:tabular-nums;overflow-wrap:anywhere}
.figures.one{grid-template-columns:1fr}
.params{columns:2;column-gap:32px;margin:6px 0 0}
.params div{break-inside:avoid}
.params dt,code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace;
font-size:13px}
.command{display:block;background:var(--track);border-radius:8px;padding:9px 12px;margin-top:12px;
overflow-x:auto;white-space:pre}
.plot{position:relative;margin:4px 0 0}
.plot+.hint,.legend{margin-top:6px}
.chart{display:none;width:100%;height:auto;touch-action:pan-y}
.chart.wide{display:block}
.tick{font-size:12px;fill:var(--muted);font-variant-numeric:tabular-nums}
.grid{stroke:var(--grid);fill:none}.axis{stroke:var(--rule);fill:none}
.base{stroke:var(--muted);stroke-dasharray:4 4;fill:none;opacity:.7}
.line{stroke:var(--accent);stroke-width:1.6;fill:none;stroke-linejoin:round}
.line.fill{stroke:none;fill:var(--accent);opacity:.13}
.line.down{stroke:var(--neg)}.line.down.fill{stroke:none;fill:var(--neg)}
.line.quiet{stroke:var(--muted);stroke-width:1.2}
.line.dot{fill:var(--accent)}
.m{stroke:var(--card);stroke-width:1}
.m.long{fill:var(--accent)}.m.short{fill:#c7771a}
.m.win{fill:var(--pos)}.m.loss{fill:var(--card);stroke:var(--neg);stroke-width:2}
.m.stop{fill:none;stroke:var(--neg);stroke-width:2.2}
.link{fill:none;stroke-width:1.2;stroke-dasharray:3 3;opacity:.75}
.link.pos{stroke:var(--pos)}.link.neg{stroke:var(--neg)}.link.flat{stroke:var(--muted)}
.cross line{stroke:var(--muted);stroke-width:1}
.cross circle{fill:var(--accent);stroke:var(--card);stroke-width:2}
.tip{position:absolute;pointer-events:none;background:var(--text);color:var(--card);border-radius:6px;
padding:4px 8px;font-size:12px;line-height:1.35;
white-space:nowrap;font-variant-numeric:tabular-nums;z-index:2}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;font-size:13px;color:var(--muted)}
.key{width:14px;height:14px;vertical-align:-2px;margin-right:4px}
.bar{display:grid;grid-template-columns:minmax(104px,36%) 1fr 148px;gap:12px;align-items:center;padding:5px 0}
.bar .name{overflow-wrap:anywhere;line-height:1.3}
.bar .remark{display:block;font-size:12px}
.bar .track{background:var(--track);border-radius:4px;height:12px;overflow:hidden}
.bar i{display:block;height:100%;background:var(--bar);border-radius:4px;min-width:2px}
.bar i.neg{background:var(--neg)}.bar i.pos{background:var(--pos)}
.bar .num{min-width:72px}
.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.scroll{overflow-x:auto;margin-top:6px}
table{border-collapse:collapse;width:100%;font-size:13.5px}
th,td{padding:5px 8px;border-bottom:1px solid var(--rule);text-align:left;white-space:nowrap}
th{color:var(--muted);font-weight:600}
th.num,td.num{text-align:right}
th button{all:unset;cursor:pointer}
th button:focus-visible{outline:2px solid var(--accent);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \\2191"}
th[aria-sort=descending] button::after{content:" \\2193"}
.months td,.months th{text-align:right;font-variant-numeric:tabular-nums;padding:6px 7px}
.months td.pos{background:color-mix(in srgb,var(--pos) var(--heat,0%),transparent)}
.months td.neg{background:color-mix(in srgb,var(--neg) var(--heat,0%),transparent)}
.months td.pos,.months td.neg{color:var(--text)}
.months td.sum{font-weight:650;background:none}
.months td.sum.pos{color:var(--pos)}.months td.sum.neg{color:var(--neg)}
.tag{font-size:11px;font-weight:600;
background:var(--amber-bg);color:var(--amber);border-radius:4px;padding:1px 5px}
.none{color:var(--muted);padding:10px 0}
footer{color:var(--muted);font-size:13px;margin-top:22px}
@media (max-width:940px){.chart.wide{display:none}.chart.middle{display:block}
.facts,.figures{grid-template-columns:1fr 1fr}}
@media (max-width:700px){.pair{grid-template-columns:1fr;gap:0}.tiles{grid-template-columns:1fr 1fr;gap:10px}}
@media (max-width:560px){main{padding:16px 10px 32px}h1{font-size:21px}.card{padding:14px 12px}
.chart.middle{display:none}.chart.narrow{display:block}.facts,.figures{grid-template-columns:1fr}
.params{columns:1}.verdict{font-size:17px}.tile{padding:10px 12px}.tile b{font-size:18px}
.bar{grid-template-columns:1fr auto;gap:2px 12px}.bar .track{grid-column:1/-1;grid-row:2}}
@media print{body{background:#fff}.card,.tile{break-inside:avoid}.card.long{break-inside:auto}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}.scroll{overflow:visible}.tip{display:none}
table{font-size:9px}th,td{padding:2px 4px}main{max-width:none;padding:0}}
"""

SCRIPT = """
(()=>{
const data=JSON.parse(document.getElementById("series").textContent);
const NS="http:"+"//www.w3.org/2000/svg";
const two=n=>String(n).padStart(2,"0");
const day=t=>{const d=new Date(t);return d.getUTCFullYear()+"-"+two(d.getUTCMonth()+1)+"-"+
two(d.getUTCDate())+" "+two(d.getUTCHours())+":"+two(d.getUTCMinutes())+":"+two(d.getUTCSeconds())+" UTC"};
const near=(t,x)=>{let a=0,b=t.length-1;while(b-a>1){const m=(a+b)>>1;t[m]<=x?a=m:b=m}
return Math.abs(t[a]-x)<=Math.abs(t[b]-x)?a:b};
const add=(g,tag,set)=>{const e=document.createElementNS(NS,tag);for(const k in set)e.setAttribute(k,set[k]);
g.appendChild(e)};
const wipe=()=>{document.querySelectorAll(".cross").forEach(g=>{g.textContent=""});
document.querySelectorAll(".tip").forEach(e=>e.remove())};
const mark=(svg,t)=>{const s=data[svg.dataset.chart];if(!s||!s.t.length)return null;
const i=near(s.t,t),v=s.v[i],b=svg.viewBox.baseVal,[l,r,top,bot]=svg.dataset.box.split(" ").map(Number);
const d=svg.dataset,x=l+(s.t[i]-d.t0)/(d.t1-d.t0)*(b.width-l-r),g=svg.querySelector(".cross");
add(g,"line",{x1:x,x2:x,y1:top,y2:b.height-bot});
let y=top;
if(v!==null){y=b.height-bot-(v-d.lo)/(d.hi-d.lo)*(b.height-top-bot);add(g,"circle",{cx:x,cy:y,r:4})}
return{s,i,v,x:x/b.width,y:y/b.height}};
document.querySelectorAll(".chart").forEach(svg=>{
svg.addEventListener("pointermove",ev=>{
const box=svg.getBoundingClientRect(),b=svg.viewBox.baseVal,[l,r]=svg.dataset.box.split(" ").map(Number);
const part=((ev.clientX-box.left)/box.width*b.width-l)/(b.width-l-r),d=svg.dataset;
const t=+d.t0+Math.min(1,Math.max(0,part))*(d.t1-d.t0);
wipe();
document.querySelectorAll(".chart").forEach(o=>{
if(o!==svg&&o.getClientRects().length)mark(o,t)});
const m=mark(svg,t);if(!m)return;
const tip=document.createElement("div");tip.className="tip";
const value=m.v===null?"no value":(m.v*m.s.scale).toLocaleString("en-US",
{minimumFractionDigits:m.s.dec,maximumFractionDigits:m.s.dec})+" "+m.s.unit;
tip.textContent=day(m.s.t[m.i])+"  "+m.s.name+" "+value;
svg.parentNode.appendChild(tip);
const w=tip.offsetWidth,px=m.x*box.width;
tip.style.left=Math.max(0,Math.min(box.width-w,px>box.width/2?px-w-12:px+12))+"px";
tip.style.top=Math.max(0,m.y*box.height-34)+"px"});
svg.addEventListener("pointerleave",wipe)});
document.querySelectorAll("th[data-sort]").forEach((th,col)=>{
th.querySelector("button").addEventListener("click",()=>{
const up=th.getAttribute("aria-sort")!=="ascending",body=th.closest("table").tBodies[0];
th.parentNode.querySelectorAll("th").forEach(o=>o.removeAttribute("aria-sort"));
th.setAttribute("aria-sort",up?"ascending":"descending");
const key=r=>{const v=r.cells[col].dataset.v,n=Number(v);return v===""||isNaN(n)?v:n};
[...body.rows].sort((a,b)=>{const x=key(a),y=key(b);return(x<y?-1:x>y?1:0)*(up?1:-1)})
.forEach(r=>body.appendChild(r))})});
})();
"""
