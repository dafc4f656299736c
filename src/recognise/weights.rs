//! Weights as earlier versions of this program wrote them.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};

/// The same weights (or checkpoint), named as they are today; what is no safetensors file comes back as it was.
///
/// Before 2026-11-25 a convolution was one linear map a shift: `front.shifts.0.weight` and so on, the last of them with
/// the bias. Now those matrices lie below each other in `front.weight`, which is the order of their bytes, too.
pub fn upgraded(bytes: Vec<u8>) -> Vec<u8> {
    joined(&bytes).unwrap_or(bytes)
}

/// The upgraded bytes, or `None` when there is nothing to upgrade.
fn joined(bytes: &[u8]) -> Option<Vec<u8>> {
    let (_, header) = SafeTensors::read_metadata(bytes).ok()?;
    let tensors = SafeTensors::deserialize(bytes).ok()?;
    let mut kept = Vec::new();
    let mut shifts: BTreeMap<String, BTreeMap<usize, TensorView<'_>>> = BTreeMap::new();
    for (name, view) in tensors.tensors() {
        match parts(&name) {
            Some((conv, shift, part)) => drop(shifts.entry(format!("{conv}.{part}")).or_default().insert(shift, view)),
            None => kept.push((name, view)),
        }
    }
    if shifts.is_empty() {
        return None;
    }
    let joined: Vec<(String, Vec<usize>, Vec<u8>)> = shifts
        .into_iter()
        .map(|(name, shifts)| {
            let mut shape = shifts.values().next().map(|view| view.shape().to_vec()).unwrap_or_default();
            if let Some(rows) = shape.first_mut() {
                *rows *= shifts.len();
            }
            (name, shape, shifts.values().flat_map(|view| view.data()).copied().collect())
        })
        .collect();
    for (name, shape, data) in &joined {
        kept.push((name.clone(), TensorView::new(Dtype::F32, shape.clone(), data).ok()?));
    }
    serialize(kept, header.metadata().clone()).ok()
}

/// `front`, 0 and `weight` of `front.shifts.0.weight`.
fn parts(name: &str) -> Option<(&str, usize, &str)> {
    let (conv, rest) = name.split_once(".shifts.")?;
    let (shift, part) = rest.split_once('.')?;
    Some((conv, shift.parse().ok()?, part))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn bytes_of(floats: &[f32]) -> Vec<u8> {
        floats.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    #[test]
    fn shifts_are_joined_and_all_else_is_kept() {
        let (first, second, bias, norm) =
            (bytes_of(&[1.0, 2.0]), bytes_of(&[3.0, 4.0]), bytes_of(&[5.0]), bytes_of(&[6.0]));
        let view = |shape: &[usize], data| TensorView::new(Dtype::F32, shape.to_vec(), data).unwrap();
        let tensors = vec![
            ("weights/front.shifts.1.weight", view(&[2, 1], &second)),
            ("weights/front.shifts.0.weight", view(&[2, 1], &first)),
            ("weights/front.shifts.1.bias", view(&[1], &bias)),
            ("weights/norm.gamma", view(&[1], &norm)),
        ];
        let metadata = Some(HashMap::from([("position".to_owned(), "{}".to_owned())]));
        let upgraded_once = upgraded(serialize(tensors, metadata.clone()).unwrap());
        let tensors = SafeTensors::deserialize(&upgraded_once).unwrap();
        let weight = tensors.tensor("weights/front.weight").unwrap();
        assert_eq!((weight.shape(), weight.data()), (&[4, 1][..], &bytes_of(&[1.0, 2.0, 3.0, 4.0])[..]));
        assert_eq!(tensors.tensor("weights/front.bias").unwrap().data(), bias);
        assert_eq!(tensors.tensor("weights/norm.gamma").unwrap().data(), norm);
        assert_eq!(tensors.len(), 3);
        assert_eq!(SafeTensors::read_metadata(&upgraded_once).unwrap().1.metadata(), &metadata);
        assert_eq!(upgraded(upgraded_once.clone()), upgraded_once);
        assert_eq!(upgraded(b"no weights".to_vec()), b"no weights");
    }
}
