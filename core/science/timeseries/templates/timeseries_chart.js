"use strict";
(function () {
  const DAY = 1440; // minutes, in which all times are
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const at = (id) => document.getElementById(id);
  const data = JSON.parse(at("data").textContent);
  const chart = at("chart");
  const tip = at("tip");
  let site = 0;
  let index = 0;
  let drawn = null; // what the large chart shows, for the pointer
  let picked = -1; // the day that the tip tells of

  const isNumber = (value) => value !== null;
  const date = (minutes) => new Date(minutes * 60000);
  const series = (number) => data.sites[number].series[index];

  function element(parent, name, attributes, text) {
    const child = document.createElementNS(chart.namespaceURI, name);
    Object.keys(attributes).forEach((key) => child.setAttribute(key, attributes[key]));
    if (text !== undefined) child.textContent = text;
    return parent.appendChild(child);
  }

  // From the least to the greatest of many numbers, with some room around.
  function range(numbers, room) {
    let low = Infinity;
    let high = -Infinity;
    numbers.forEach((number) => {
      low = Math.min(low, number);
      high = Math.max(high, number);
    });
    if (low > high) return [0, 1];
    const around = (high - low) * room || Math.abs(high) * 0.1 || 0.1;
    return [low - around, high + around];
  }

  // The first and the last day of all sites, in one scale; null where no site has a day.
  function allTimes() {
    const times = [];
    data.sites.forEach((one) => one.series.forEach((s) => {
      if (s && s.times.length) times.push(s.times[0], s.times[s.times.length - 1]);
    }));
    if (!times.length) return null;
    const from = Math.min.apply(null, times);
    const to = Math.max.apply(null, times);
    const around = Math.max((to - from) * 0.01, to - from < 20 * DAY ? 10 * DAY : 0);
    return [from - around, to + around];
  }

  const days = allTimes();

  function numberTicks(low, high, most) {
    const rough = (high - low) / most;
    const power = Math.pow(10, Math.floor(Math.log10(rough)));
    const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999);
    const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const ticks = [];
    for (let number = Math.ceil(low / step - 1e-9); number * step <= high; number++) {
      ticks.push({ at: number * step, label: (number * step).toFixed(decimals).replace("-", "−") });
    }
    return ticks;
  }

  // Ticks on days, months or years; the first one and each January name the year below.
  function dateTicks(from, to, most) {
    const ticks = [];
    const length = (to - from) / DAY;
    let named = null;
    function add(minutes, label) {
      if (minutes < from || minutes > to) return;
      const year = date(minutes).getUTCFullYear();
      ticks.push({ at: minutes, label: label, below: year !== named ? String(year) : "" });
      named = year;
    }
    if (length / most <= 14) {
      const step = [1, 2, 7, 14].find((size) => length / size <= most) || 14;
      for (let day = Math.ceil(from / DAY); day * DAY <= to; day += step) {
        const start = date(day * DAY);
        add(day * DAY, start.getUTCDate() + " " + MONTHS[start.getUTCMonth()]);
      }
      return ticks;
    }
    const step = [1, 2, 3, 6, 12, 24, 60, 120].find((size) => length / 30.44 / size <= most) || 240;
    let month = Math.floor(date(from).getUTCFullYear() * 12 / step) * step;
    for (let start = 0; start <= to; month += step) {
      const year = Math.floor(month / 12);
      start = Date.UTC(year, month % 12) / 60000;
      add(start, step < 12 ? MONTHS[month % 12] : String(year));
    }
    if (step >= 12) ticks.forEach((tick) => { tick.below = ""; });
    return ticks;
  }

  function drawAxes(svg, box, x, y, values, small) {
    if (!small) element(svg, "text", { x: 0, y: 12 }, data.indices[index]);
    numberTicks(values[0], values[1], small ? 5 : 6).forEach((tick) => {
      element(svg, "path", { class: "grid", d: "M" + box.left + " " + y(tick.at) + "H" + box.right });
      element(svg, "text", { x: box.left - 6, y: y(tick.at) + 4, "text-anchor": "end" }, tick.label);
    });
    const most = (box.right - box.left) / (small ? 58 : 72);
    (days ? dateTicks(days[0], days[1], most) : []).forEach((tick) => {
      element(svg, "path", { class: "axis", d: "M" + x(tick.at) + " " + box.bottom + "v5" });
      // Half of a year's number is 16 wide; at the right end it would be cut off.
      const atEnd = x(tick.at) + 16 > box.right + 10;
      const place = { x: atEnd ? box.right + 10 : x(tick.at), y: box.bottom + 18,
        "text-anchor": atEnd ? "end" : "middle" };
      element(svg, "text", place, tick.label);
      place.y += 14;
      if (tick.below) element(svg, "text", place, tick.below);
    });
    element(svg, "path", { class: "axis", d: "M" + box.left + " " + box.bottom + "H" + box.right });
  }

  // The line is broken where there is no value, and dotted where a step had no observation.
  function drawLine(svg, s, x, y) {
    const paths = { line: "", filled: "" };
    s.smoothed.forEach((value, step) => {
      if (!isNumber(value)) return;
      const here = "M" + x(s.steps[step]) + " " + y(value);
      const next = s.smoothed[step + 1];
      if (step + 1 < s.smoothed.length && isNumber(next)) {
        const kind = s.observed[step] && s.observed[step + 1] ? "line" : "filled";
        paths[kind] += here + "L" + x(s.steps[step + 1]) + " " + y(next);
      } else if (step === 0 || !isNumber(s.smoothed[step - 1])) {
        paths.line += here + "h0"; // alone between two gaps
      }
    });
    Object.keys(paths).forEach((kind) => element(svg, "path", { class: kind, d: paths[kind] }));
  }

  function drawDays(svg, s, box, x, y, small) {
    let cloudy = "";
    let dots = "";
    s.values.forEach((value, day) => {
      const left = x(s.times[day]);
      if (!isNumber(value)) cloudy += "M" + left + " " + (box.bottom - 2) + "v" + (small ? -4 : -7);
      else if (small && (y(value) < box.top || y(value) > box.bottom)) return;
      else if (small) dots += "M" + left + " " + y(value) + "h0";
      else element(svg, "circle", { class: "point", cx: left, cy: y(value), r: 3.6 });
    });
    element(svg, "path", { class: "cloudy", d: cloudy });
    if (small) element(svg, "path", { class: "dots", d: dots });
  }

  function draw(svg, s, width, height, values, small) {
    while (svg.firstChild) svg.removeChild(svg.firstChild);
    svg.setAttribute("viewBox", "0 0 " + width + " " + height);
    const box = { left: 46, right: width - 10, top: small ? 8 : 24, bottom: height - 38 };
    const scale = (domain, from, to) => (number) =>
      Math.round((from + (number - domain[0]) / (domain[1] - domain[0]) * (to - from)) * 10) / 10;
    const x = scale(days || [0, DAY], box.left, box.right);
    const y = scale(values, box.bottom - (small ? 8 : 14), box.top);
    drawAxes(svg, box, x, y, values, small);
    if (s) {
      drawLine(svg, s, x, y);
      drawDays(svg, s, box, x, y, small);
    }
    return { box: box, x: x, y: y, series: s };
  }

  function valuesOf(s) {
    return s ? s.values.concat(s.smoothed).filter(isNumber) : [];
  }

  function drawSite() {
    const s = series(site);
    hideTip();
    const width = Math.max(320, at("holder").clientWidth || 900);
    const height = Math.round(Math.min(460, Math.max(260, width * 0.45)));
    const clear = s ? s.values.filter(isNumber).length : 0;
    const all = s ? s.values.length : 0;
    at("caption").textContent = data.sites[site].name + " · " + data.indices[index] + " · " +
      clear + " of " + all + (all === 1 ? " scene day" : " scene days") + " with a value";
    drawn = draw(chart, s, width, height, range(valuesOf(s), 0.06), false);
    at("site").value = site;
    at("previous").disabled = site === 0;
    at("next").disabled = site === data.sites.length - 1;
    Array.from(at("multiples").children).forEach((small, number) => {
      small.className = number === site ? "small chosen" : "small";
    });
  }

  function drawMultiples() {
    // One scale for all, by the smoothed lines: a single strange value shall not flatten them.
    const lines = data.sites.map((one, number) => series(number) ? series(number).smoothed : []);
    const values = range([].concat.apply([], lines).filter(isNumber), 0.06);
    at("all-note").textContent = data.indices[index] +
      ", all in one scale; points beyond it are left out. Choose a site to see it above.";
    const holder = at("multiples");
    while (holder.firstChild) holder.removeChild(holder.firstChild);
    data.sites.forEach((one, number) => {
      const small = holder.appendChild(document.createElement("button"));
      small.type = "button";
      small.appendChild(document.createElement("b")).textContent = one.name;
      draw(element(small, "svg", { role: "img", "aria-label": one.name }),
        series(number), 280, 150, values, true);
      small.addEventListener("click", () => {
        site = number;
        drawSite();
        at("figure").scrollIntoView({ block: "nearest" });
      });
    });
  }

  function hideTip() {
    picked = -1;
    tip.hidden = true;
    Array.from(chart.querySelectorAll(".pointer, .picked")).forEach((mark) => chart.removeChild(mark));
  }

  function showTip(day) {
    const s = drawn.series;
    hideTip();
    picked = day;
    const when = date(s.times[day]);
    const value = s.values[day];
    const share = s.all[day] ? Math.round(100 * s.clear[day] / s.all[day]) : 0;
    tip.textContent = when.getUTCDate() + " " + MONTHS[when.getUTCMonth()] + " " +
      when.getUTCFullYear() + "\n" + data.indices[index] + " " +
      (isNumber(value) ? value.toFixed(3).replace("-", "−") : "no value") + "\n" + share +
      " % clear (" + s.clear[day] + " of " + s.all[day] + (s.all[day] === 1 ? " pixel)" : " pixels)");
    const left = drawn.x(s.times[day]);
    element(chart, "path", { class: "pointer", d: "M" + left + " " + drawn.box.top + "V" + drawn.box.bottom });
    if (isNumber(value)) element(chart, "circle", { class: "picked", cx: left, cy: drawn.y(value), r: 6 });
    tip.hidden = false;
    const scale = chart.clientWidth / chart.viewBox.baseVal.width || 1;
    const onTheRight = left * scale + tip.offsetWidth + 14 < at("holder").clientWidth;
    tip.style.left = (onTheRight ? left * scale + 12 : left * scale - tip.offsetWidth - 12) + "px";
  }

  function followPointer(event) {
    if (!drawn || !drawn.series || !drawn.series.times.length) return;
    const frame = chart.getBoundingClientRect();
    const place = (event.clientX - frame.left) * chart.viewBox.baseVal.width / frame.width;
    let nearest = 0;
    drawn.series.times.forEach((time, day) => {
      const distance = Math.abs(drawn.x(time) - place);
      if (distance < Math.abs(drawn.x(drawn.series.times[nearest]) - place)) nearest = day;
    });
    showTip(nearest);
  }

  function followKeys(event) {
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !drawn || !drawn.series || !drawn.series.times.length) return;
    event.preventDefault();
    showTip(Math.min(drawn.series.times.length - 1, Math.max(0, picked + move)));
  }

  function choose(list, names, onChange) {
    names.forEach((name, number) => {
      const option = list.appendChild(document.createElement("option"));
      option.value = number;
      option.textContent = name;
    });
    list.addEventListener("change", () => onChange(Number(list.value)));
  }

  function goTo(number) {
    site = number;
    drawSite();
  }

  if (!data.sites.length) {
    at("caption").textContent = "No site";
    at("controls").hidden = true;
    at("all").hidden = true;
    return;
  }
  choose(at("site"), data.sites.map((one) => one.name), goTo);
  choose(at("index"), data.indices, (number) => {
    index = number;
    drawMultiples();
    drawSite();
  });
  at("previous").addEventListener("click", () => goTo(site - 1));
  at("next").addEventListener("click", () => goTo(site + 1));
  ["site-control", "previous", "next", "all"].forEach((id) => { at(id).hidden = data.sites.length < 2; });
  at("index-control").hidden = data.indices.length < 2;
  chart.addEventListener("mousemove", followPointer);
  chart.addEventListener("click", followPointer);
  chart.addEventListener("mouseleave", hideTip);
  chart.addEventListener("blur", hideTip);
  chart.addEventListener("keydown", followKeys);
  window.addEventListener("resize", drawSite);
  if (data.sites.length > 1) drawMultiples();
  drawSite();
}());
