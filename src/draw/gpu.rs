//! From the draw list to the screen, in the render world: textures, uniforms and the pass that draws all lanes.

use std::collections::HashMap;

use bevy::{
    asset::{load_internal_asset, uuid_handle},
    core_pipeline::{Core2d, Core2dSystems, core_2d::main_transparent_pass_2d},
    prelude::*,
    render::{
        Extract, ExtractSchedule, Render, RenderApp, RenderStartup, RenderSystems,
        camera::ExtractedCamera,
        render_resource::{
            binding_types::{texture_2d, uniform_buffer},
            *,
        },
        renderer::{RenderContext, RenderDevice, RenderQueue, ViewQuery},
        view::ViewTarget,
    },
    shader::Shader,
};

use super::{
    plot::{GpuGeneration, PlotFrame, RingKind, SpectrogramUniform, Upload, WaveformUniform},
    theme::Ramp,
};

const LANE_SHADER: Handle<Shader> = uuid_handle!("0d3bb2a1-2f27-4b0b-9ad6-5f5f5f1f7a01");
const SPECTROGRAM_SHADER: Handle<Shader> = uuid_handle!("0d3bb2a1-2f27-4b0b-9ad6-5f5f5f1f7a02");
const WAVEFORM_SHADER: Handle<Shader> = uuid_handle!("0d3bb2a1-2f27-4b0b-9ad6-5f5f5f1f7a03");

/// Texels of a colour map.
const RAMP_WIDTH: u32 = 256;

/// Adds what draws the list. The app must have a renderer.
pub(super) fn plugin(app: &mut App) {
    load_internal_asset!(app, LANE_SHADER, "../../shaders/lane.wgsl", Shader::from_wgsl);
    load_internal_asset!(app, SPECTROGRAM_SHADER, "../../shaders/spectrogram.wgsl", Shader::from_wgsl);
    load_internal_asset!(app, WAVEFORM_SHADER, "../../shaders/waveform.wgsl", Shader::from_wgsl);
    let generation = app.world().resource::<GpuGeneration>().clone();
    if let Some(render_app) = app.get_sub_app_mut(RenderApp) {
        render_app
            .insert_resource(generation)
            .init_resource::<PlotFrame>()
            .add_systems(RenderStartup, make_plot)
            .add_systems(ExtractSchedule, extract_plot)
            .add_systems(Render, prepare_plot.in_set(RenderSystems::PrepareBindGroups))
            .add_systems(Core2d, draw_plot.in_set(Core2dSystems::MainPass).after(main_transparent_pass_2d));
    }
}

fn extract_plot(main: Extract<Res<PlotFrame>>, mut frame: ResMut<PlotFrame>) {
    frame.lanes.clone_from(&main.lanes);
    frame.uploads.extend(main.uploads.iter().cloned());
}

/// A ring on the GPU.
struct RingTexture {
    texture: Texture,
    view: TextureView,
    kind: RingKind,
    capacity: u32,
}

/// A quad to draw: which pipeline, which uniform, which textures.
struct QuadDraw {
    spectrogram: bool,
    offset: u32,
    bind_group: BindGroup,
}

/// Everything of ours on the GPU.
#[derive(Resource)]
struct PlotGpu {
    spectrogram_layout: BindGroupLayoutDescriptor,
    waveform_layout: BindGroupLayoutDescriptor,
    ramps: TextureView,
    pipelines: HashMap<TextureFormat, [CachedRenderPipelineId; 2]>,
    rings: HashMap<(Entity, bool), RingTexture>,
    spectrograms: DynamicUniformBuffer<SpectrogramUniform>,
    waveforms: DynamicUniformBuffer<WaveformUniform>,
    quads: Vec<QuadDraw>,
}

/// Makes what does not depend on a lane; runs again when a lost device comes back.
fn make_plot(
    mut commands: Commands,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
    generation: Res<GpuGeneration>,
) {
    let stages = ShaderStages::VERTEX_FRAGMENT;
    let unfiltered = TextureSampleType::Float { filterable: false };
    let spectrogram_layout = BindGroupLayoutDescriptor::new(
        "spectrogram",
        &BindGroupLayoutEntries::sequential(
            stages,
            (uniform_buffer::<SpectrogramUniform>(true), texture_2d(unfiltered), texture_2d(unfiltered)),
        ),
    );
    let waveform_layout = BindGroupLayoutDescriptor::new(
        "waveform",
        &BindGroupLayoutEntries::sequential(
            stages,
            (uniform_buffer::<WaveformUniform>(true), texture_2d(TextureSampleType::Sint)),
        ),
    );
    let ramps = device.create_texture_with_data(
        &queue,
        &TextureDescriptor {
            label: Some("colour maps"),
            size: Extent3d { width: RAMP_WIDTH, height: Ramp::ALL.len() as u32, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: TextureDimension::D2,
            format: TextureFormat::Rgba8UnormSrgb,
            usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
            view_formats: &[],
        },
        TextureDataOrder::default(),
        &Ramp::table(RAMP_WIDTH),
    );
    commands.insert_resource(PlotGpu {
        spectrogram_layout,
        waveform_layout,
        ramps: ramps.create_view(&TextureViewDescriptor::default()),
        pipelines: HashMap::new(),
        rings: HashMap::new(),
        spectrograms: DynamicUniformBuffer::default(),
        waveforms: DynamicUniformBuffer::default(),
        quads: Vec::new(),
    });
    generation.advance();
}

fn make_pipeline(
    cache: &PipelineCache,
    label: &'static str,
    layout: &BindGroupLayoutDescriptor,
    shader: Handle<Shader>,
    format: TextureFormat,
) -> CachedRenderPipelineId {
    cache.queue_render_pipeline(RenderPipelineDescriptor {
        label: Some(label.into()),
        layout: vec![layout.clone()],
        vertex: VertexState { shader: shader.clone(), entry_point: Some("vertex".into()), ..default() },
        primitive: PrimitiveState { topology: PrimitiveTopology::TriangleStrip, ..default() },
        fragment: Some(FragmentState {
            shader,
            entry_point: Some("fragment".into()),
            targets: vec![Some(ColorTargetState {
                format,
                blend: Some(BlendState::PREMULTIPLIED_ALPHA_BLENDING),
                write_mask: ColorWrites::ALL,
            })],
            ..default()
        }),
        ..default()
    })
}

/// Carries out the uploads, then makes uniforms and bind groups for this frame.
fn prepare_plot(
    gpu: Option<ResMut<PlotGpu>>,
    mut frame: ResMut<PlotFrame>,
    views: Query<&ViewTarget, With<ExtractedCamera>>,
    cache: Res<PipelineCache>,
    device: Res<RenderDevice>,
    queue: Res<RenderQueue>,
) {
    let Some(gpu) = gpu else { return };
    let gpu = gpu.into_inner();
    for view in &views {
        let format = view.main_texture_format();
        gpu.pipelines.entry(format).or_insert_with(|| {
            [
                make_pipeline(&cache, "waveform", &gpu.waveform_layout, WAVEFORM_SHADER, format),
                make_pipeline(&cache, "spectrogram", &gpu.spectrogram_layout, SPECTROGRAM_SHADER, format),
            ]
        });
    }

    let frame = &mut *frame;
    gpu.rings.retain(|(lane, _), _| frame.lanes.iter().any(|draw| draw.lane == *lane));
    for upload in frame.uploads.drain(..) {
        if frame.lanes.iter().any(|draw| draw.lane == upload.lane) {
            gpu.write(&upload, &device, &queue);
        }
    }

    gpu.spectrograms.clear();
    gpu.waveforms.clear();
    let offsets: Vec<_> = frame
        .lanes
        .iter()
        .map(|draw| {
            let spectrogram = draw.spectrogram.map(|uniform| gpu.spectrograms.push(&uniform));
            (draw.lane, spectrogram, draw.waveform.map(|uniform| gpu.waveforms.push(&uniform)))
        })
        .collect();
    gpu.spectrograms.write_buffer(&device, &queue);
    gpu.waveforms.write_buffer(&device, &queue);

    gpu.quads.clear();
    for (lane, spectrogram, waveform) in offsets {
        if let (Some(offset), Some(ring), Some(uniform)) =
            (spectrogram, gpu.rings.get(&(lane, true)), gpu.spectrograms.binding())
        {
            let layout = cache.get_bind_group_layout(&gpu.spectrogram_layout);
            let entries = BindGroupEntries::sequential((uniform, &ring.view, &gpu.ramps));
            let bind_group = device.create_bind_group("spectrogram", &layout, &entries);
            gpu.quads.push(QuadDraw { spectrogram: true, offset, bind_group });
        }
        if let (Some(offset), Some(ring), Some(uniform)) =
            (waveform, gpu.rings.get(&(lane, false)), gpu.waveforms.binding())
        {
            let layout = cache.get_bind_group_layout(&gpu.waveform_layout);
            let entries = BindGroupEntries::sequential((uniform, &ring.view));
            let bind_group = device.create_bind_group("waveform", &layout, &entries);
            gpu.quads.push(QuadDraw { spectrogram: false, offset, bind_group });
        }
    }
}

impl PlotGpu {
    /// Writes `upload` into its ring; another size or format makes a new one.
    fn write(&mut self, upload: &Upload, device: &RenderDevice, queue: &RenderQueue) {
        let (size, format) = upload.kind.texture(upload.capacity);
        let make = || {
            let texture = device.create_texture(&TextureDescriptor {
                label: Some("ring"),
                size,
                mip_level_count: 1,
                sample_count: 1,
                dimension: TextureDimension::D2,
                format,
                usage: TextureUsages::TEXTURE_BINDING | TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let view = texture.create_view(&TextureViewDescriptor::default());
            RingTexture { texture, view, kind: upload.kind, capacity: upload.capacity }
        };
        let columns = matches!(upload.kind, RingKind::Columns { .. });
        let ring = self.rings.entry((upload.lane, columns)).or_insert_with(make);
        if ring.kind != upload.kind || ring.capacity != upload.capacity {
            *ring = make();
        }
        let bytes_per_entry = upload.kind.entry_bytes();
        let entries = upload.bytes.len() as u32 / bytes_per_entry;
        let (origin, extent, bytes_per_row) = if columns {
            (Origin3d { x: 0, y: upload.slot, z: 0 }, Extent3d { height: entries, ..size }, bytes_per_entry)
        } else {
            (Origin3d { x: upload.slot, y: 0, z: 0 }, Extent3d { width: entries, ..size }, bytes_per_entry * entries)
        };
        queue.write_texture(
            TexelCopyTextureInfo { texture: &ring.texture, mip_level: 0, origin, aspect: TextureAspect::All },
            &upload.bytes,
            TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(bytes_per_row), rows_per_image: None },
            extent,
        );
    }
}

/// The pass: all quads of all lanes, under egui.
fn draw_plot(
    view: ViewQuery<(&ExtractedCamera, &ViewTarget)>,
    gpu: Option<Res<PlotGpu>>,
    cache: Res<PipelineCache>,
    mut context: RenderContext,
) {
    let (camera, target) = view.into_inner();
    let Some(gpu) = gpu.filter(|gpu| !gpu.quads.is_empty()) else { return };
    let Some(ids) = gpu.pipelines.get(&target.main_texture_format()) else { return };
    let [Some(waveform), Some(spectrogram)] = ids.map(|id| cache.get_render_pipeline(id)) else { return };
    let mut pass = context.begin_tracked_render_pass(RenderPassDescriptor {
        label: Some("lanes"),
        color_attachments: &[Some(target.get_unsampled_color_attachment())],
        depth_stencil_attachment: None,
        timestamp_writes: None,
        occlusion_query_set: None,
        multiview_mask: None,
    });
    if let Some(viewport) = camera.viewport.as_ref() {
        pass.set_camera_viewport(viewport);
    }
    for quad in &gpu.quads {
        pass.set_render_pipeline(if quad.spectrogram { spectrogram } else { waveform });
        pass.set_bind_group(0, &quad.bind_group, &[quad.offset]);
        pass.draw(0..4, 0..1);
    }
}

#[cfg(test)]
#[path = "gpu_tests.rs"]
mod tests;
