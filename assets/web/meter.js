// The level and the waveform of this page's own microphone. It listens beside the connection, not on it.

/** Seconds of waveform on the canvas. */
const SPAN_SECS = 6;
/** Columns of waveform a second. */
const RATE_HZ = 60;
/** The meter's left end, dBFS. */
const FLOOR_DBFS = -60;
/** Three seconds of exact zeros: a muted microphone. */
const SILENT_SECS = 3;

export class Meter {
  #canvas;
  #bar;
  #told;
  #context = null;
  #analyser = null;
  #source = null;
  #samples = null;
  #columns = [];
  #peakHold = FLOOR_DBFS;
  #silentSince = 0;
  #frame = 0;
  #slow = matchMedia("(prefers-reduced-motion: reduce)");

  /** Draws on `canvas` and on `bar`, an element with role "meter"; `told({ isSilent })` when that changes. */
  constructor(canvas, bar, told) {
    this.#canvas = canvas;
    this.#bar = bar;
    this.#told = told;
    new ResizeObserver(() => this.#paint()).observe(canvas);
  }

  /** Must be called in a touch or click: phones let a page hear nothing before one. */
  wake() {
    const Context = window.AudioContext ?? window.webkitAudioContext;
    this.#context ??= Context ? new Context({ latencyHint: "interactive" }) : null;
    this.#context?.resume().catch(() => {});
  }

  attach(stream) {
    this.detach();
    this.wake();
    if (!this.#context) return;
    this.#analyser = new AnalyserNode(this.#context, { fftSize: this.#slow.matches ? 32_768 : 4096 });
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = this.#context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
    this.#columns = [];
    this.#silentSince = performance.now();
    let last = performance.now();
    const draw = (now) => {
      this.#frame = requestAnimationFrame(draw);
      const due = this.#slow.matches ? 500 : 1000 / RATE_HZ - 4;
      if (now - last < due) return;
      this.#read((now - last) / 1000, now);
      last = now;
      this.#paint();
    };
    this.#frame = requestAnimationFrame(draw);
  }

  detach() {
    cancelAnimationFrame(this.#frame);
    this.#source?.disconnect();
    this.#source = this.#analyser = null;
    this.#show(FLOOR_DBFS);
    this.#columns = [];
    this.#paint();
    this.#told({ isSilent: false });
  }

  /** Takes the sound of the last `secs` seconds into columns, the newest last. */
  #read(secs, now) {
    const samples = this.#samples;
    this.#analyser.getFloatTimeDomainData(samples);
    const wanted = Math.max(1, Math.round(secs * RATE_HZ));
    const per = Math.min(samples.length, Math.round(this.#context.sampleRate / RATE_HZ));
    const count = Math.min(wanted, Math.floor(samples.length / per));
    // What fell out of the analyser while nothing was drawn is not known: a flat line says so.
    for (let i = count; i < Math.min(wanted, SPAN_SECS * RATE_HZ); i++) this.#columns.push([0, 0]);
    let sum = 0;
    let peak = 0;
    for (let column = 0; column < count; column++) {
      let [low, high] = [1, -1];
      const from = samples.length - (count - column) * per;
      for (let i = from; i < from + per; i++) {
        low = Math.min(low, samples[i]);
        high = Math.max(high, samples[i]);
        sum += samples[i] * samples[i];
      }
      this.#columns.push([low, high]);
      peak = Math.max(peak, -low, high);
    }
    this.#columns.splice(0, this.#columns.length - SPAN_SECS * RATE_HZ);
    if (peak > 0) this.#silentSince = now;
    this.#told({ isSilent: this.#context.state === "running" && now - this.#silentSince > SILENT_SECS * 1000 });
    const dbfs = (power) => Math.max(FLOOR_DBFS, 20 * Math.log10(power + 1e-9));
    this.#peakHold = Math.max(dbfs(peak), this.#peakHold - secs * 20);
    this.#show(dbfs(Math.sqrt(sum / (count * per))));
  }

  #show(dbfs) {
    const share = (value) => (value - FLOOR_DBFS) / -FLOOR_DBFS;
    this.#bar.setAttribute("aria-valuenow", Math.round(dbfs));
    this.#bar.firstElementChild.style.clipPath = `inset(0 ${(1 - share(dbfs)) * 100}% 0 0)`;
    this.#bar.lastElementChild.style.left = `${share(Math.min(0, this.#peakHold)) * 100}%`;
    if (!this.#analyser) this.#peakHold = FLOOR_DBFS;
  }

  #paint() {
    const canvas = this.#canvas;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    const style = getComputedStyle(canvas);
    pen.clearRect(0, 0, width, height);
    const middle = height / 2;
    const step = width / (SPAN_SECS * RATE_HZ);
    pen.fillStyle = style.getPropertyValue("--line");
    for (let second = 1; second < SPAN_SECS; second++) pen.fillRect(Math.round((width * second) / SPAN_SECS), 0, scale, height);
    const glow = pen.createLinearGradient(0, 0, 0, height);
    const [teal, foam] = [style.getPropertyValue("--teal"), style.getPropertyValue("--foam")];
    [[0, teal], [0.42, teal], [0.5, foam], [0.58, teal], [1, teal]].forEach(([at, color]) => glow.addColorStop(at, color));
    pen.fillStyle = style.getPropertyValue("--line");
    pen.fillRect(0, middle - scale / 2, width, scale);
    pen.fillStyle = glow;
    // The square root, as on the screen: quiet speech is to be seen as well.
    const reach = (value) => Math.sign(value) * Math.sqrt(Math.abs(value)) * (middle - scale);
    const first = SPAN_SECS * RATE_HZ - this.#columns.length;
    this.#columns.forEach(([low, high], i) => {
      const top = middle - reach(Math.max(high, 0));
      const bottom = middle - reach(Math.min(low, 0));
      pen.fillRect((first + i) * step, top, step, Math.max(bottom - top, scale));
    });
  }
}
