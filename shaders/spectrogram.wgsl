// A scrolling spectrogram. Columns of linear magnitude lie in a ring, one row of the texture a column; logarithm, range,
// frequency axis and colour map happen here. All times are in columns from the first visible one.
#import seseragi::lane::{Quad, QuadOutput, quad_vertex, quad_coverage, dither}

struct Spectrogram {
    quad: Quad,
    // Column position of the left edge, relative to the first visible column; negative before the history begins.
    left: f32,
    // Columns across the quad.
    span: f32,
    // Row of the first visible column, and the number of rows.
    first_row: u32,
    rows: u32,
    // Columns that are there, from the first one on.
    columns: u32,
    bins: u32,
    // 0 linear, 1 mel, 2 logarithmic.
    axis: u32,
    // Row of the colour map in the table.
    ramp: u32,
    hz_per_bin: f32,
    top_hz: f32,
    low_hz: f32,
    floor_db: f32,
    range_db: f32,
    // 1 where the right edge is the present: it glows.
    live: f32,
    pixels_per_point: f32,
    unused: f32,
}

@group(0) @binding(0) var<uniform> lane: Spectrogram;
@group(0) @binding(1) var ring: texture_2d<f32>;
@group(0) @binding(2) var ramps: texture_2d<f32>;

// Most bins and columns that are looked at for one pixel.
const MOST_BINS: i32 = 24;
const MOST_COLUMNS: i32 = 6;

@vertex
fn vertex(@builtin(vertex_index) index: u32) -> QuadOutput {
    return quad_vertex(index, lane.quad);
}

fn mel(hz: f32) -> f32 {
    return 2595.0 * log2(1.0 + hz / 700.0) * 0.30103;
}

// Hertz at a height from 0 (bottom) to 1 (top).
fn hz_at(height: f32) -> f32 {
    if lane.axis == 1u {
        return 700.0 * (exp2(mel(lane.top_hz) * height / (2595.0 * 0.30103)) - 1.0);
    }
    if lane.axis == 2u {
        return lane.low_hz * pow(lane.top_hz / lane.low_hz, height);
    }
    return lane.top_hz * height;
}

// Never below the floor: how far below it silence lies must not pull at its neighbours.
fn decibels(magnitude: f32) -> f32 {
    return max(6.0205999 * log2(max(magnitude, 1e-8)), lane.floor_db);
}

// Level of one column between two bin positions: smooth where a bin is several pixels high, the loudest bin where several
// share a pixel, so that no partial vanishes between pixels.
fn level(column: i32, low_bin: f32, high_bin: f32) -> f32 {
    let kept = clamp(column, 0, i32(lane.columns) - 1);
    let row = i32((lane.first_row + u32(kept)) % lane.rows);
    let last = i32(lane.bins) - 1;
    if high_bin - low_bin <= 1.0 {
        // Quadratic B-spline over three bins.
        let at = 0.5 * (low_bin + high_bin);
        let centre = round(at);
        let t = at - centre;
        let bin = i32(centre);
        let before = decibels(textureLoad(ring, vec2<i32>(clamp(bin - 1, 0, last), row), 0).r);
        let here = decibels(textureLoad(ring, vec2<i32>(clamp(bin, 0, last), row), 0).r);
        let after = decibels(textureLoad(ring, vec2<i32>(clamp(bin + 1, 0, last), row), 0).r);
        return before * 0.5 * (0.5 - t) * (0.5 - t) + here * (0.75 - t * t) + after * 0.5 * (0.5 + t) * (0.5 + t);
    }
    let from_bin = clamp(i32(ceil(low_bin - 0.5)), 0, last);
    let to_bin = clamp(i32(floor(high_bin + 0.5)), from_bin, min(last, from_bin + MOST_BINS));
    var loudest = 0.0;
    for (var bin = from_bin; bin <= to_bin; bin++) {
        loudest = max(loudest, textureLoad(ring, vec2<i32>(bin, row), 0).r);
    }
    return decibels(loudest);
}

@fragment
fn fragment(in: QuadOutput) -> @location(0) vec4<f32> {
    let size = lane.quad.rect.zw;
    let height = 1.0 - in.px.y / size.y;
    let half_pixel = 0.5 / size.y;
    let low_bin = hz_at(max(height - half_pixel, 0.0)) / lane.hz_per_bin;
    let high_bin = hz_at(min(height + half_pixel, 1.0)) / lane.hz_per_bin;

    let a_pixel = lane.span / size.x;
    let at = lane.left + in.px.x * a_pixel;
    var db = lane.floor_db;
    if lane.columns > 0u {
        if a_pixel <= 1.0 {
            let before = floor(at - 0.5);
            db = mix(level(i32(before), low_bin, high_bin), level(i32(before) + 1, low_bin, high_bin), at - 0.5 - before);
        } else {
            // Each column counts by how much of it lies in the pixel.
            let from_edge = at - 0.5 * a_pixel;
            let to_edge = at + 0.5 * a_pixel;
            var sum = 0.0;
            var weights = 0.0;
            let first = i32(floor(from_edge));
            for (var column = first; column < min(i32(ceil(to_edge)), first + MOST_COLUMNS); column++) {
                let weight = min(to_edge, f32(column + 1)) - max(from_edge, f32(column));
                sum += weight * level(column, low_bin, high_bin);
                weights += weight;
            }
            db = sum / max(weights, 1e-6);
        }
    }

    var loudness = clamp((db - lane.floor_db) / lane.range_db, 0.0, 1.0);
    // The present glows: sound lights up as it comes in.
    let age = (size.x - in.px.x) / lane.pixels_per_point;
    loudness *= 1.0 + lane.live * 0.16 * exp(-age / 22.0);

    let last = f32(textureDimensions(ramps).x) - 1.0;
    let place = clamp(loudness, 0.0, 1.0) * last;
    let entry = i32(min(floor(place), last - 1.0));
    let color = mix(
        textureLoad(ramps, vec2<i32>(entry, i32(lane.ramp)), 0).rgb,
        textureLoad(ramps, vec2<i32>(entry + 1, i32(lane.ramp)), 0).rgb,
        place - f32(entry),
    );

    // Where there is no sound yet the ground shows, darker.
    let there = clamp(at / a_pixel + 0.5, 0.0, 1.0) * clamp((f32(lane.columns) - at) / a_pixel + 0.5, 0.0, 1.0);
    let ground = textureLoad(ramps, vec2<i32>(0, i32(lane.ramp)), 0).rgb * 0.72;
    let alpha = quad_coverage(in.px, lane.quad);
    let lit = mix(ground, color, there) + dither(in.position.xy) * 0.5;
    return vec4<f32>(lit * alpha, alpha);
}
