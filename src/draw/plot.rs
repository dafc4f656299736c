//! The draw list: what the `draw_*` systems of the main world hand to the render world (`gpu.rs`), which alone touches the
//! GPU.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use bevy::{
    prelude::*,
    render::render_resource::{Extent3d, ShaderType, TextureFormat},
};

/// The widest ring that every device takes (WebGPU's default limit of a texture's side).
pub const WIDEST_RING: u32 = 8192;
/// A rectangle with rounded corners, in physical pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, ShaderType)]
pub struct Quad {
    /// Left, top, width, height.
    pub rect: Vec4,
    /// Size of the render target.
    pub target_px: Vec2,
    /// Corner radius: top pair, bottom pair.
    pub corners: Vec2,
}

/// What the spectrogram's shader knows of a lane; see `shaders/spectrogram.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, ShaderType)]
#[allow(missing_docs)]
pub struct SpectrogramUniform {
    pub quad: Quad,
    pub left: f32,
    pub span: f32,
    pub first_row: u32,
    pub rows: u32,
    pub columns: u32,
    pub bins: u32,
    pub axis: u32,
    pub ramp: u32,
    pub hz_per_bin: f32,
    pub top_hz: f32,
    pub low_hz: f32,
    pub floor_db: f32,
    pub range_db: f32,
    pub live: f32,
    pub pixels_per_point: f32,
    pub unused: f32,
}

/// What the waveform's shader knows of a lane; see `shaders/waveform.wgsl`.
#[derive(Clone, Copy, Debug, Default, PartialEq, ShaderType)]
#[allow(missing_docs)]
pub struct WaveformUniform {
    pub quad: Quad,
    pub left: f32,
    pub span: f32,
    pub first_texel: u32,
    pub texels: u32,
    pub entries: u32,
    pub power: f32,
    pub live: f32,
    pub pixels_per_point: f32,
    pub ground: Vec4,
    pub edge: Vec4,
    pub core: Vec4,
}

/// The two textures of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingKind {
    /// One row of `R16Float` a column.
    Columns {
        /// Bins a column.
        bins: u32,
    },
    /// One texel of `Rg16Sint` an entry: least and greatest sample.
    Peaks,
}

impl RingKind {
    /// Bytes of one entry.
    pub fn entry_bytes(self) -> u32 {
        match self {
            Self::Columns { bins } => bins * 2,
            Self::Peaks => 4,
        }
    }

    /// Size and format of a texture for `capacity` entries.
    pub(super) fn texture(self, capacity: u32) -> (Extent3d, TextureFormat) {
        let (width, height, format) = match self {
            Self::Columns { bins } => (bins, capacity, TextureFormat::R16Float),
            Self::Peaks => (capacity, 1, TextureFormat::Rg16Sint),
        };
        (Extent3d { width, height, depth_or_array_layers: 1 }, format)
    }
}

/// Entries to write into a ring, without a wrap.
#[derive(Clone, Debug)]
pub struct Upload {
    /// The stream.
    pub lane: Entity,
    /// Which ring.
    pub kind: RingKind,
    /// Entries in the ring; a new number is a new texture.
    pub capacity: u32,
    /// First slot written.
    pub slot: u32,
    /// Whole entries, one after the other.
    pub bytes: Arc<[u8]>,
}

/// One lane of the draw list.
#[derive(Clone, Copy, Debug)]
pub struct LaneDraw {
    /// The stream.
    pub lane: Entity,
    /// Its spectrogram, where there is one.
    pub spectrogram: Option<SpectrogramUniform>,
    /// Its waveform, where there is one.
    pub waveform: Option<WaveformUniform>,
}

/// The draw list: made by the `draw_*` systems, read by the render world. Uploads are kept until the next turn of the main loop,
/// by when they have been extracted; all else is of the newest drawn frame.
#[derive(Resource, Clone, Debug, Default)]
pub struct PlotFrame {
    /// Lanes to draw.
    pub lanes: Vec<LaneDraw>,
    /// Entries that became visible.
    pub uploads: Vec<Upload>,
    /// How much was sent.
    pub sent: UploadStats,
}

impl PlotFrame {
    /// The entry of a lane, made if need be.
    pub fn lane_mut(&mut self, lane: Entity) -> &mut LaneDraw {
        let at = self.lanes.iter().position(|draw| draw.lane == lane).unwrap_or_else(|| {
            self.lanes.push(LaneDraw { lane, spectrogram: None, waveform: None });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }
}

/// What drawing sent to the GPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UploadStats {
    /// Spectrogram columns of the newest drawn frame.
    pub columns: u64,
    /// Waveform entries of the newest drawn frame.
    pub peaks: u64,
    /// Bytes of the newest drawn frame.
    pub bytes: u64,
    /// Bytes of all drawn frames.
    pub total_bytes: u64,
}

/// Counts how often the GPU's objects were made; when that happens every ring is empty again.
#[derive(Resource, Clone, Debug, Default)]
pub struct GpuGeneration(Arc<AtomicU32>);

impl GpuGeneration {
    /// The present one; 0 where there is no GPU.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// The GPU's objects were made.
    pub(super) fn advance(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// Adds the draw list.
pub(super) fn plugin(app: &mut App) {
    app.init_resource::<PlotFrame>().init_resource::<GpuGeneration>().add_systems(First, forget_uploads);
}

fn forget_uploads(mut frame: ResMut<PlotFrame>) {
    frame.uploads.clear();
}
