// SPDX-License-Identifier: MIT OR Apache-2.0
//! A film for the browser's fake camera: textures that move, so that pictures cost what real ones cost. The
//! browser's own test picture is so plain that congestion control has nothing to do.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use hither_lab::LabError;

/// The size of a film. Small ones leave the machine time for what is tested.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
}

/// Pictures, after which it begins again.
const PICTURES: usize = 24;

/// Points that the texture moves from one picture to the next.
const STEP: usize = 6;

/// Writes the film in the format of `--use-file-for-fake-video-capture` (YUV4MPEG2, 4:2:0).
pub(super) fn write_film(path: &Path, size: Size) -> Result<(), LabError> {
    write(path, size).map_err(|source| LabError::Io {
        what: "write a film".to_owned(),
        source,
    })
}

fn write(path: &Path, size: Size) -> io::Result<()> {
    let Size { width, height } = size;
    let wide = width + PICTURES * STEP;
    let mut film = BufWriter::new(File::create(path)?);
    let header = format!("YUV4MPEG2 W{width} H{height} F30:1 Ip A1:1 C420jpeg\n");
    film.write_all(header.as_bytes())?;
    let texture = texture(wide, height);
    let colours = vec![128; width * height / 2];
    for picture in 0..PICTURES {
        film.write_all(b"FRAME\n")?;
        for line in texture.chunks(wide) {
            let from = picture * STEP;
            let seen = line.get(from..from + width).unwrap_or_default();
            film.write_all(seen)?;
        }
        film.write_all(&colours)?;
    }
    film.flush()
}

/// Noise of four sizes of grain, line after line.
fn texture(width: usize, height: usize) -> Vec<u8> {
    const GRAINS: [(usize, u32); 4] = [(64, 90), (24, 60), (9, 40), (4, 20)];
    let mut lines = Vec::with_capacity(width * height);
    for y in 0..height {
        for x in 0..width {
            let light: u32 = GRAINS
                .iter()
                .map(|(grain, weight)| dice(x / grain, y / grain, *grain) * weight / 255)
                .sum();
            lines.push(u8::try_from(light + 20).unwrap_or(u8::MAX));
        }
    }
    lines
}

/// A number up to 255 that depends on nothing but these.
fn dice(x: usize, y: usize, grain: usize) -> u32 {
    let mut value = x
        .wrapping_mul(0x9e37_79b9)
        .wrapping_add(y.wrapping_mul(0x85eb_ca6b))
        .wrapping_add(grain.wrapping_mul(0xc2b2_ae35));
    value ^= value >> 15;
    value = value.wrapping_mul(0x2c1b_3c6d);
    value ^= value >> 12;
    u32::try_from(value & 0xff).unwrap_or_default()
}
