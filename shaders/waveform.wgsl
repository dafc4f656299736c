// A scrolling waveform. Pairs of least and greatest sample lie in a ring, one texel each; amplitudes are drawn on a compressed
// scale, so that quiet speech is seen. All times are in entries from the first visible one.
#import seseragi::lane::{Quad, QuadOutput, quad_vertex, quad_coverage, dither}

struct Waveform {
    quad: Quad,
    // Entry position of the left edge, relative to the first visible entry; negative before the history begins.
    left: f32,
    // Entries across the quad.
    span: f32,
    // Texel of the first visible entry, and the number of texels.
    first_texel: u32,
    texels: u32,
    // Entries that are there, from the first one on.
    entries: u32,
    // Exponent of the amplitude scale.
    power: f32,
    live: f32,
    pixels_per_point: f32,
    ground: vec4<f32>,
    edge: vec4<f32>,
    core: vec4<f32>,
}

@group(0) @binding(0) var<uniform> lane: Waveform;
@group(0) @binding(1) var ring: texture_2d<i32>;

const MOST_ENTRIES: i32 = 10;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> QuadOutput {
    return quad_vertex(index, lane.quad);
}

// Least and greatest amplitude of one entry, -1 to 1 on the drawn scale; silence where there is none.
fn extent(entry: i32) -> vec2<f32> {
    if entry < 0 || entry >= i32(lane.entries) {
        return vec2<f32>(0.0);
    }
    let texel = i32((lane.first_texel + u32(entry)) % lane.texels);
    let samples = vec2<f32>(textureLoad(ring, vec2<i32>(texel, 0), 0).rg) / 32768.0;
    return sign(samples) * pow(abs(samples), vec2<f32>(lane.power));
}

@fragment
fn fragment(in: QuadOutput) -> @location(0) vec4<f32> {
    let size = lane.quad.rect.zw;
    let half_height = 0.5 * size.y;
    let scale = half_height * 0.94;
    // Up is positive, in pixels from the middle.
    let y = half_height - in.px.y;
    let a_pixel = lane.span / size.x;
    let at = lane.left + in.px.x * a_pixel;

    // How much of the pixel the sound fills, its mean extent, and the fill's own thickness of at least a hairline.
    let hairline = 0.55 * lane.pixels_per_point;
    var covered = 0.0;
    var mean = vec2<f32>(0.0);
    if a_pixel < 1.0 {
        // Fewer entries than pixels: a line from entry to entry, as thick as its slope asks for.
        let before = floor(at - 0.5);
        let t = at - 0.5 - before;
        let from_extent = extent(i32(before)) * scale;
        let to_extent = extent(i32(before) + 1) * scale;
        mean = mix(from_extent, to_extent, t);
        let slope = max(abs(to_extent.x - from_extent.x), abs(to_extent.y - from_extent.y)) * a_pixel;
        let thick = hairline * sqrt(1.0 + slope * slope);
        covered = clamp(mean.y + thick - y + 0.5, 0.0, 1.0) * clamp(y - mean.x + thick + 0.5, 0.0, 1.0);
    } else {
        // Several entries share the pixel: each counts by a tent two pixels wide, so that nothing flickers while it scrolls.
        let reach = a_pixel;
        let first = i32(floor(at - reach));
        var weights = 0.0;
        for (var entry = first; entry < min(i32(ceil(at + reach)), first + MOST_ENTRIES); entry++) {
            let weight = max(1.0 - abs(f32(entry) + 0.5 - at) / reach, 0.02);
            let both = extent(entry) * scale;
            covered += weight * clamp(both.y + hairline - y + 0.5, 0.0, 1.0) * clamp(y - both.x + hairline + 0.5, 0.0, 1.0);
            mean += weight * both;
            weights += weight;
        }
        covered /= max(weights, 1e-6);
        mean /= max(weights, 1e-6);
    }

    // Inside: foam at the heart, teal towards the edge. Outside: a glow as strong as the sound is loud.
    let reach_up = max(max(mean.y, -mean.x), hairline);
    let outwards = clamp(abs(y) / reach_up, 0.0, 1.0);
    let loud = clamp(reach_up / scale, 0.0, 1.0);
    let fill = mix(lane.core.rgb, lane.edge.rgb, smoothstep(0.0, 0.85, outwards + 0.35 * (1.0 - loud)));
    let outside = max(max(y - mean.y, mean.x - y), 0.0) / lane.pixels_per_point;
    let glow = 0.20 * loud * exp(-outside / 5.0);
    let age = (size.x - in.px.x) / lane.pixels_per_point;
    let fresh = lane.live * exp(-age / 22.0);

    let there = step(0.0, at) * step(at, f32(lane.entries));
    var color = mix(lane.ground.rgb * 0.8, lane.ground.rgb, there);
    color += lane.edge.rgb * glow * (1.0 - covered) * (1.0 + fresh);
    color = mix(color, fill + fresh * 0.25, covered * mix(0.35, 0.96, there));
    let alpha = quad_coverage(in.px, lane.quad);
    return vec4<f32>((color + dither(in.position.xy) * 0.5) * alpha, alpha);
}
