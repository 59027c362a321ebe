// Zoom to a chromosome and tell values under the pointer. The page is complete without it.
(function () {
  "use strict";
  var data = JSON.parse(document.getElementById("profile-data").textContent);
  var hover = document.getElementById("hover");
  var left = data.box[0], top = data.box[1], right = data.box[2], bottom = data.box[3];
  var low = Math.log2(data.limits[0]), high = Math.log2(data.limits[1]);
  var offsets = [], total = 0, shown = -1;
  data.lengths.forEach(function (length) { offsets.push(total); total += length; });

  function yOf(copies) {
    var at = copies > 0 ? Math.log2(copies) : low - 1;
    return bottom - (at - low) / (high - low) * (bottom - top);
  }
  function clip(y) { return Math.min(Math.max(y, top), bottom); }
  // pixels of a position: on the whole genome, or on the chromosome that is zoomed to
  function xOf(chrom, position) {
    var share = shown < 0 ? (offsets[chrom] + position) / total : position / data.lengths[chrom];
    return left + share * (right - left);
  }
  function make(name, attributes, words) {
    var node = document.createElementNS("http://www.w3.org/2000/svg", name);
    Object.keys(attributes).forEach(function (key) { node.setAttribute(key, attributes[key]); });
    if (words !== undefined) { node.textContent = words; }
    return node;
  }
  var ring = make("circle", {r: 5, fill: "none", stroke: "#1b1f24", "stroke-width": 1.5, "pointer-events": "none"});
  function fixed(value, digits) {
    return value.toLocaleString("en-US", {minimumFractionDigits: digits, maximumFractionDigits: digits});
  }
  function span(chrom, start, end) {
    return data.names[chrom] + ":" + fixed(start / 1e6, 2) + "–" + fixed(end / 1e6, 2) + " Mb";
  }
  function copies(value) { return fixed(value, value < 10 ? 2 : 1); }

  function draw(panel, svg) {
    var layer = make("g", {"class": "zoom-layer"});
    var level = panel.levels[panel.levels.length - 1], grid = data.grids[level.grid];
    var dots = "", up = "", down = "";
    grid.chrom.forEach(function (chrom, i) {
      if (chrom !== shown || level.expected[i] === null) { return; }
      var x = xOf(chrom, (grid.start[i] + grid.end[i]) / 2).toFixed(1);
      var y = yOf(panel.normal[chrom] * level.observed[i] / level.expected[i]);
      if (y < top) { up += "M" + (x - 3) + " " + (top + 6) + "h6l-3 -5z"; }
      else if (y > bottom) { down += "M" + (x - 3) + " " + (bottom - 6) + "h6l-3 5z"; }
      else { dots += "M" + x + " " + y.toFixed(1) + "h0"; }
    });
    var colour = data.colours.points[0];
    layer.appendChild(make("path", {d: dots || "M0 0", stroke: colour, "stroke-width": 4, "stroke-linecap": "round", fill: "none"}));
    layer.appendChild(make("path", {d: up + down || "M0 0", fill: colour}));
    panel.segments.forEach(function (s) {
      if (s[0] !== shown || s[3] === null) { return; }
      var y = clip(yOf(s[3])), from = xOf(s[0], s[1]), to = Math.max(xOf(s[0], s[2]), from + 3);
      layer.appendChild(make("line", {x1: from, x2: to, y1: y, y2: y, stroke: data.colours.segment[s[6]], "stroke-width": 3}));
    });
    drawGenes(panel, layer);
    drawTicks(layer);
    svg.appendChild(layer);
  }
  function drawGenes(panel, layer) {
    var taken = [];
    panel.genes.filter(function (g) { return g[0] === shown; })
      .sort(function (a, b) { return (b[6] === "ERBB2") - (a[6] === "ERBB2") || a[1] - b[1]; })
      .forEach(function (g) {
        var main = g[6] === "ERBB2", colour = main ? data.colours.gene : data.colours.muted;
        var x = xOf(g[0], (g[1] + g[2]) / 2), end = g[3] === null ? bottom : clip(yOf(g[3]));
        var half = g[6].length * 3.6 + 5;
        layer.appendChild(make("line", {x1: x, x2: x, y1: top - 4, y2: main ? end : top + 4, stroke: colour, "stroke-dasharray": main ? "2 2" : "none"}));
        if (taken.every(function (t) { return Math.abs(t[0] - x) > t[1] + half; })) {
          taken.push([x, half]);
          layer.appendChild(make("text", {x: x, y: top - 9, "text-anchor": "middle", "font-size": 12, fill: colour, "font-weight": main ? 700 : 400}, g[6]));
        }
      });
  }
  function drawTicks(layer) {
    var length = data.lengths[shown] / 1e6, power = Math.pow(10, Math.floor(Math.log10(length / 8)));
    var step = [1, 2, 5, 10].map(function (m) { return m * power; }).find(function (s) { return s >= length / 8; });
    var digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    for (var i = 0; i * step < length; i += 1) {
      layer.appendChild(make("text", {x: xOf(shown, i * step * 1e6), y: bottom + 16, "text-anchor": i ? "middle" : "start", "font-size": 11, fill: data.colours.muted},
        fixed(i * step, digits) + (i ? "" : " Mb, chromosome " + data.names[shown])));
    }
  }

  function zoom(chrom) {
    shown = chrom === shown ? -1 : chrom;
    hover.hidden = true;
    ring.remove();
    document.querySelectorAll("[data-zoom]").forEach(function (button) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === shown));
    });
    each(function (panel, svg) {
      var old = svg.querySelector(".zoom-layer");
      if (old) { old.remove(); }
      svg.classList.toggle("zoomed", shown >= 0);
      svg.querySelectorAll(".band").forEach(function (band) {
        var index = Number(band.dataset.chrom);
        var from = shown < 0 ? left + offsets[index] / total * (right - left) : left;
        var width = shown < 0 ? data.lengths[index] / total * (right - left) : index === shown ? right - left : 0;
        band.setAttribute("x", from);
        band.setAttribute("width", width);
      });
      if (shown >= 0) { draw(panel, svg); }
    });
  }
  function each(action) {
    data.panels.forEach(function (panel) {
      var title = document.getElementById(panel.id + "-title");
      if (title) { action(panel, title.parentNode); }
    });
  }

  // the window nearest to the pointer, with the segment it lies in
  function tell(panel, x, y) {
    var level = panel.levels[shown < 0 ? 0 : panel.levels.length - 1], grid = data.grids[level.grid];
    var best = -1, nearest = 8;
    grid.chrom.forEach(function (chrom, i) {
      if (level.expected[i] === null || (shown >= 0 && chrom !== shown)) { return; }
      var dx = xOf(chrom, (grid.start[i] + grid.end[i]) / 2) - x;
      if (Math.abs(dx) > 8) { return; }
      var dy = clip(yOf(panel.normal[chrom] * level.observed[i] / level.expected[i])) - y;
      var distance = Math.abs(dx) + Math.abs(dy) / 12;
      if (distance < nearest) { nearest = distance; best = i; }
    });
    if (best < 0) { return ""; }
    var chrom = grid.chrom[best], start = grid.start[best], end = grid.end[best];
    var words = [span(chrom, start, end), "pCN " + copies(panel.normal[chrom] * level.observed[best] / level.expected[best]) +
      " (" + fixed(level.observed[best], 0) + " of " + fixed(level.expected[best], 0) + " expected)"];
    panel.segments.forEach(function (s) {
      if (s[0] === chrom && s[1] <= (start + end) / 2 && s[2] > (start + end) / 2) {
        words.push("segment " + span(s[0], s[1], s[2]).split(":")[1] + ": " + copies(s[3]) +
          (s[4] === null || s[5] === null ? "" : " (" + copies(s[4]) + "–" + copies(s[5]) + ")"));
      }
    });
    panel.genes.forEach(function (g) {
      if (g[0] === chrom && g[1] < end && g[2] > start) {
        words.push(g[6] + ": " + (g[3] === null ? "not evaluable" : copies(g[3])) + ", " + g[7]);
      }
    });
    ring.setAttribute("cx", xOf(chrom, (start + end) / 2));
    ring.setAttribute("cy", clip(yOf(panel.normal[chrom] * level.observed[best] / level.expected[best])));
    return words.slice(0, 8).join("\n");
  }

  each(function (panel, svg) {
    svg.addEventListener("pointermove", function (event) {
      var box = svg.getBoundingClientRect(), scale = svg.viewBox.baseVal.width / box.width;
      var words = tell(panel, (event.clientX - box.left) * scale, (event.clientY - box.top) * scale);
      hover.hidden = !words;
      if (words) { svg.appendChild(ring); } else { ring.remove(); }
      hover.textContent = words;
      var beside = event.clientX + 14 + hover.offsetWidth > window.innerWidth;
      hover.style.left = Math.max(4, event.clientX + (beside ? -14 - hover.offsetWidth : 14)) + "px";
      hover.style.top = Math.max(4, event.clientY - hover.offsetHeight - 10) + "px";
    });
    svg.addEventListener("pointerleave", function () { hover.hidden = true; ring.remove(); });
    svg.addEventListener("click", function (event) {
      if (shown >= 0) { zoom(-1); return; }
      if (event.target.dataset && event.target.dataset.chrom) { zoom(Number(event.target.dataset.chrom)); return; }
      var box = svg.getBoundingClientRect();
      var at = ((event.clientX - box.left) * svg.viewBox.baseVal.width / box.width - left) / (right - left) * total;
      for (var i = offsets.length - 1; i >= 0; i -= 1) {
        if (at >= offsets[i] && at < total) { zoom(i); return; }
      }
    });
  });
  document.querySelectorAll("[data-zoom]").forEach(function (button) {
    button.addEventListener("click", function () {
      var chrom = Number(button.dataset.zoom);
      if (chrom !== shown) { zoom(chrom); }
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key === "Escape" && shown >= 0) { zoom(-1); }
  });
  // Print what is folded away, but the long tables only where they were opened.
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.from(document.querySelectorAll("details:not(.bulk):not([open])"));
    folded.forEach(function (node) { node.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (node) { node.open = false; });
  });
  if (data.panels.some(function (panel) { return document.getElementById(panel.id + "-title"); })) {
    document.querySelector(".zoom").hidden = false;
  }
  document.documentElement.dataset.script = "ran";
}());
