// A scatter plot of very many points: one draw call with WebGL, or rectangles where there is none.
// While it moves, some of the points are drawn, so that it stays smooth without a fast GPU; at rest, all of them are.

const DRAWN_MOVING = 40_000;
const REST = 150; // Milliseconds after the last movement.

const VERTEX = `
attribute vec2 place; attribute vec3 colour; attribute float lit;
uniform vec2 scale; uniform vec2 shift; uniform float size; uniform float dimmed; uniform float solid;
varying vec4 shade;
void main() {
  gl_Position = vec4((place * 2.0 - 1.0) * scale + shift, lit > 0.5 ? -0.1 : 0.1, 1.0);
  gl_PointSize = size * (lit > 0.5 ? 1.7 : 1.0);
  shade = vec4(colour, lit > 0.5 ? 1.0 : mix(solid, 0.13 * solid, dimmed));
}`;
const FRAGMENT = `
precision mediump float; varying vec4 shade;
void main() {
  float away = length(gl_PointCoord - 0.5) * 2.0;
  float inside = 1.0 - smoothstep(0.75, 1.0, away);
  gl_FragColor = vec4(shade.rgb, 1.0) * shade.a * inside;
}`;

export class Scatter {
  // places: Uint16Array of x, y; 0 to 65535 across the square; in random order, so that the first ones are a sample.
  constructor(canvas, places) {
    this.canvas = canvas;
    this.places = places;
    this.count = places.length / 2;
    this.colours = new Uint8Array(3 * this.count).fill(128);
    this.lit = new Uint8Array(this.count);
    this.dimmed = false;
    this.zoom = 0.94;
    this.x = 0;
    this.y = 0;
    this.gl = canvas.getContext("webgl", { antialias: false, premultipliedAlpha: true });
    if (this.gl) {
      this.prepare();
      canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
      canvas.addEventListener("webglcontextrestored", () => {
        this.prepare();
        this.draw();
      });
    } else this.flat = canvas.getContext("2d");
    this.fillBuckets();
  }

  prepare() {
    const gl = this.gl;
    const program = gl.createProgram();
    for (const [type, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]]) {
      const shader = gl.createShader(type);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    gl.useProgram(program);
    this.buffers = {};
    for (const [name, size, type] of [["place", 2, gl.UNSIGNED_SHORT], ["colour", 3, gl.UNSIGNED_BYTE], ["lit", 1, gl.UNSIGNED_BYTE]]) {
      const buffer = (this.buffers[name] = gl.createBuffer());
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      const at = gl.getAttribLocation(program, name);
      gl.enableVertexAttribArray(at);
      gl.vertexAttribPointer(at, size, type, name !== "lit", 0, 0);
    }
    this.uniforms = Object.fromEntries(["scale", "shift", "size", "dimmed", "solid"].map((name) => [name, gl.getUniformLocation(program, name)]));
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    this.upload("place", this.places);
    this.upload("colour", this.colours);
    this.upload("lit", this.lit);
  }

  upload(name, values) {
    if (!this.gl) return;
    this.gl.bindBuffer(this.gl.ARRAY_BUFFER, this.buffers[name]);
    this.gl.bufferData(this.gl.ARRAY_BUFFER, values, this.gl.STATIC_DRAW);
  }

  setColours(colours) {
    this.colours = colours;
    this.upload("colour", colours);
    this.draw();
  }

  // positions: points to light up; the others are dimmed. null lights none and dims none.
  setLit(positions) {
    this.lit.fill(0);
    for (const position of positions ?? []) this.lit[position] = 1;
    this.dimmed = positions !== null;
    this.upload("lit", this.lit);
    this.draw();
  }

  // A square that fits the smaller side of the canvas.
  get scales() {
    const { width, height } = this.canvas;
    const side = Math.min(width, height) * this.zoom;
    return [side / (width || 1), side / (height || 1)];
  }

  get pointSize() {
    const base = Math.max(1.8, Math.min(9, 1500 / Math.sqrt(this.count + 1) / 4));
    return base * (devicePixelRatio || 1) * Math.min(3, Math.sqrt(Math.max(1, this.zoom)));
  }

  // Many points are drawn thinner, so that one sees where they are dense.
  get solid() {
    return Math.max(0.3, Math.min(0.85, 0.85 - 0.28 * Math.log10(this.count / 3000)));
  }

  // Draws all points, or some of them while it moves.
  draw({ moving = false } = {}) {
    cancelAnimationFrame(this.frame);
    clearTimeout(this.rest);
    const drawn = moving ? Math.min(this.count, DRAWN_MOVING) : this.count;
    if (drawn < this.count) this.rest = setTimeout(() => this.draw(), REST);
    this.frame = requestAnimationFrame(() => (this.gl ? this.drawFast(drawn) : this.drawFlat(drawn)));
  }

  drawFast(drawn = this.count) {
    const gl = this.gl;
    const [wide, high] = this.scales;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.uniform2f(this.uniforms.scale, wide, high);
    gl.uniform2f(this.uniforms.shift, this.x * wide, this.y * high);
    gl.uniform1f(this.uniforms.size, this.pointSize);
    gl.uniform1f(this.uniforms.dimmed, this.dimmed ? 1 : 0);
    gl.uniform1f(this.uniforms.solid, Math.min(0.85, this.solid * Math.sqrt(this.count / drawn || 1)));
    gl.drawArrays(gl.POINTS, 0, drawn);
  }

  // Downloads what is in view, on the colour that is behind it.
  save(name) {
    if (this.gl) this.drawFast(); // A picture of WebGL is gone once it is shown.
    const picture = document.createElement("canvas");
    [picture.width, picture.height] = [this.canvas.width, this.canvas.height];
    const paint = picture.getContext("2d");
    paint.fillStyle = getComputedStyle(this.canvas.parentElement).backgroundColor;
    paint.fillRect(0, 0, picture.width, picture.height);
    paint.drawImage(this.canvas, 0, 0);
    picture.toBlob((file) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(file);
      link.download = name;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  drawFlat(drawn = this.count) {
    const { width, height } = this.canvas;
    const [wide, high] = this.scales;
    const size = this.pointSize;
    this.flat.clearRect(0, 0, width, height);
    for (const pass of this.dimmed ? [0, 1] : [0]) {
      this.flat.globalAlpha = pass ? 1 : this.dimmed ? 0.13 * this.solid : this.solid;
      for (let point = 0; point < drawn; point++) {
        if (pass && !this.lit[point]) continue;
        const x = (((this.places[2 * point] / 32767.5 - 1 + this.x) * wide + 1) * width) / 2;
        const y = ((1 - (this.places[2 * point + 1] / 32767.5 - 1 + this.y) * high) * height) / 2;
        if (x < 0 || y < 0 || x > width || y > height) continue;
        this.flat.fillStyle = `rgb(${this.colours[3 * point]},${this.colours[3 * point + 1]},${this.colours[3 * point + 2]})`;
        this.flat.fillRect(x - size / 2, y - size / 2, size, size);
      }
    }
  }

  resize() {
    const ratio = devicePixelRatio || 1;
    const { clientWidth, clientHeight } = this.canvas;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.draw();
  }

  // From pixels of the page inside the canvas to places from 0 to 65535.
  toPlace(left, top) {
    const [wide, high] = this.scales;
    const x = ((left / this.canvas.clientWidth) * 2 - 1) / wide - this.x;
    const y = (1 - (top / this.canvas.clientHeight) * 2) / high - this.y;
    return [(x + 1) * 32767.5, (y + 1) * 32767.5];
  }

  pan(right, down) {
    const [wide, high] = this.scales;
    this.x += (2 * right) / this.canvas.clientWidth / wide;
    this.y -= (2 * down) / this.canvas.clientHeight / high;
    this.draw({ moving: true });
  }

  // Zooms by a factor around a pixel, which stays where it is.
  zoomAt(factor, left = this.canvas.clientWidth / 2, top = this.canvas.clientHeight / 2) {
    const before = this.toPlace(left, top);
    this.zoom = Math.min(400, Math.max(0.5, this.zoom * factor));
    const after = this.toPlace(left, top);
    this.x += (after[0] - before[0]) / 32767.5;
    this.y += (after[1] - before[1]) / 32767.5;
    this.draw({ moving: true });
  }

  home() {
    this.zoom = 0.94;
    this.x = this.y = 0;
    this.draw();
  }

  fillBuckets() {
    const side = 256;
    this.starts = new Uint32Array(side * side + 1);
    const bucket = (point) => (this.places[2 * point] >> 8) * side + (this.places[2 * point + 1] >> 8);
    for (let point = 0; point < this.count; point++) this.starts[bucket(point) + 1]++;
    for (let at = 0; at < side * side; at++) this.starts[at + 1] += this.starts[at];
    const next = this.starts.slice();
    this.inOrder = new Uint32Array(this.count);
    for (let point = 0; point < this.count; point++) this.inOrder[next[bucket(point)]++] = point;
  }

  // The point nearest to a pixel within some pixels; -1 if there is none.
  nearest(left, top, reach = 10) {
    const [x, y] = this.toPlace(left, top);
    const [edge] = this.toPlace(left + reach, top);
    const far = Math.abs(edge - x);
    const low = (value) => Math.max(0, Math.min(255, Math.floor((value - far) / 256)));
    const high = (value) => Math.max(0, Math.min(255, Math.floor((value + far) / 256)));
    let best = -1, least = far * far;
    for (let column = low(x); column <= high(x); column++) {
      for (let at = this.starts[column * 256 + low(y)]; at < this.starts[column * 256 + high(y) + 1]; at++) {
        const point = this.inOrder[at];
        const distance = (this.places[2 * point] - x) ** 2 + (this.places[2 * point + 1] - y) ** 2;
        if (distance < least) [best, least] = [point, distance];
      }
    }
    return best;
  }

  // Points inside a polygon of pixels.
  inside(outline) {
    const corners = outline.map(([left, top]) => this.toPlace(left, top));
    const found = [];
    for (let point = 0; point < this.count; point++) {
      const x = this.places[2 * point], y = this.places[2 * point + 1];
      let within = false;
      for (let one = 0, two = corners.length - 1; one < corners.length; two = one++) {
        const [x1, y1] = corners[one], [x2, y2] = corners[two];
        if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) within = !within;
      }
      if (within) found.push(point);
    }
    return found;
  }

  // Pixels of a point.
  pixels(point) {
    const [wide, high] = this.scales;
    return [
      (((this.places[2 * point] / 32767.5 - 1 + this.x) * wide + 1) * this.canvas.clientWidth) / 2,
      ((1 - (this.places[2 * point + 1] / 32767.5 - 1 + this.y) * high) * this.canvas.clientHeight) / 2,
    ];
  }
}
