// Shared by the lanes' shaders: a quad in physical pixels, rounded corners, and a little noise against banding.
#define_import_path seseragi::lane

struct Quad {
    // Left, top, width, height in physical pixels.
    rect: vec4<f32>,
    // The render target in physical pixels.
    target_px: vec2<f32>,
    // Radius of the corners in pixels: top pair, bottom pair.
    corners: vec2<f32>,
}

struct QuadOutput {
    @builtin(position) position: vec4<f32>,
    // Pixels from the quad's top left corner.
    @location(0) px: vec2<f32>,
}

// Four vertices of a triangle strip.
fn quad_vertex(index: u32, quad: Quad) -> QuadOutput {
    let corner = vec2<f32>(f32(index & 1u), f32(index >> 1u));
    let px = corner * quad.rect.zw;
    let clip = (quad.rect.xy + px) / quad.target_px * vec2<f32>(2.0, -2.0) + vec2<f32>(-1.0, 1.0);
    return QuadOutput(vec4<f32>(clip, 0.0, 1.0), px);
}

// How much of a pixel lies inside the rounded quad.
fn quad_coverage(px: vec2<f32>, quad: Quad) -> f32 {
    let half_size = quad.rect.zw * 0.5;
    let from_centre = px - half_size;
    let radius = min(select(quad.corners.x, quad.corners.y, from_centre.y > 0.0), min(half_size.x, half_size.y));
    let beyond = abs(from_centre) - half_size + radius;
    let distance = length(max(beyond, vec2<f32>(0.0))) + min(max(beyond.x, beyond.y), 0.0) - radius;
    return clamp(0.5 - distance, 0.0, 1.0);
}

// Half a step of an 8-bit target, different in each pixel (interleaved gradient noise, Jimenez 2014).
fn dither(position: vec2<f32>) -> f32 {
    let noise = fract(52.9829189 * fract(dot(position, vec2<f32>(0.06711056, 0.00583715))));
    return (noise - 0.5) / 255.0;
}
