//! A network's parameters by name, and the optimiser that moves them.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

use crate::recognise::model::Network;
use crate::{Error, Result};

/// Values of one parameter with its shape.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Values {
    /// Size along each axis.
    pub shape: Vec<usize>,
    /// The values, rows first.
    pub values: Vec<f32>,
}

/// Parameters by their path in the network, such as `blocks.0.norm.gamma`.
pub type Parameters = BTreeMap<String, Values>;

/// Reads all parameters of `network`.
pub fn read(network: &Network) -> Parameters {
    let mut reader = Reader { path: Vec::new(), gradients: None, found: Parameters::new() };
    network.visit(&mut reader);
    reader.found
}

/// Reads the gradient of each parameter that has one.
pub fn read_gradients(network: &Network, gradients: &Gradients) -> Parameters {
    let mut reader = Reader { path: Vec::new(), gradients: Some(gradients), found: Parameters::new() };
    network.visit(&mut reader);
    reader.found
}

/// `network` with its parameters replaced by those in `parameters`.
///
/// Fails when one is missing or has another shape, which means that they belong to a network of other sizes.
pub fn write(network: Network, parameters: &Parameters) -> Result<Network> {
    let mut wrong = None;
    let network = network.map(&mut Writer {
        path: Vec::new(),
        change: |name: &str, shape: &[usize], values: &mut Vec<f32>| match parameters.get(name) {
            Some(new) if new.shape == shape => values.clone_from(&new.values),
            Some(new) => wrong = Some(format!("the parameter {name} has the shape {:?}, not {shape:?}", new.shape)),
            None => wrong = Some(format!("the parameter {name} is missing")),
        },
    });
    match wrong {
        Some(wrong) => Err(Error::invalid(format!("the weights belong to another network: {wrong}"))),
        None => Ok(network),
    }
}

struct Reader<'a> {
    path: Vec<String>,
    gradients: Option<&'a Gradients>,
    found: Parameters,
}

impl ModuleVisitor for Reader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = match self.gradients {
            None => Some(param.val().inner()),
            Some(gradients) => param.val().grad(gradients),
        };
        if let Some(tensor) = tensor {
            let shape = tensor.dims().to_vec();
            let values = tensor.into_data().iter::<f32>().collect();
            self.found.insert(self.path.join("."), Values { shape, values });
        }
    }
}

/// Replaces each parameter by what `change` makes of its name, shape and values.
struct Writer<F> {
    path: Vec<String>,
    change: F,
}

impl<F: FnMut(&str, &[usize], &mut Vec<f32>)> ModuleMapper for Writer<F> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.join(".");
        param.map(|tensor| {
            let (device, learns, shape) = (tensor.device(), tensor.is_require_grad(), tensor.dims());
            let mut values: Vec<f32> = tensor.inner().into_data().iter::<f32>().collect();
            (self.change)(&name, &shape, &mut values);
            Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(learns)
        })
    }
}

/// AdamW (Loshchilov and Hutter, 2019) with the gradient clipped by its norm over all parameters.
///
/// One plain loop over all values: burn's own takes each parameter apart into tensor operations, clips each parameter
/// for itself, and keys its state by ids that a saved model does not keep.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AdamW {
    /// Running mean of each gradient.
    pub first: Parameters,
    /// Running mean of each squared gradient.
    pub second: Parameters,
    /// Running mean of each parameter itself: the weights that are kept, since they swing less than the newest.
    pub average: Parameters,
    /// Updates so far.
    pub updates: u64,
}

const BETA_FIRST: f32 = 0.9;
const BETA_SECOND: f32 = 0.98;
const EPSILON: f32 = 1e-8;
/// Matrices shrink by this times the learning rate at each update; biases and norms do not.
const WEIGHT_DECAY: f32 = 0.02;
/// Share of its old value that the running mean of a parameter keeps at each update, once there were many.
const AVERAGE_KEEPS: f32 = 0.999;
/// A longer gradient is shortened to this norm.
const LONGEST_GRADIENT: f32 = 2.0;

impl AdamW {
    /// Moves `network` against `gradients`; returns it with the gradient's norm before clipping.
    ///
    /// A gradient that is not finite moves nothing.
    pub fn update(&mut self, network: Network, gradients: &Parameters, learning_rate: f32) -> (Network, f32) {
        let norm =
            gradients.values().flat_map(|gradient| &gradient.values).map(|value| value * value).sum::<f32>().sqrt();
        if !norm.is_finite() {
            return (network, norm);
        }
        let clip = (LONGEST_GRADIENT / norm.max(1e-12)).min(1.0);
        self.updates += 1;
        let steps = self.updates.min(1 << 20) as i32;
        let first_scale = 1.0 / (1.0 - BETA_FIRST.powi(steps));
        let second_scale = 1.0 / (1.0 - BETA_SECOND.powi(steps));
        // At first the newest weights count more: those that the run began with say nothing.
        let average_keeps = AVERAGE_KEEPS.min((1.0 + steps as f32) / (10.0 + steps as f32));
        let moved = network.map(&mut Writer {
            path: Vec::new(),
            change: |name: &str, shape: &[usize], values: &mut Vec<f32>| {
                let Some(gradient) = gradients.get(name) else { return };
                let zeros = || Values { shape: shape.to_vec(), values: vec![0.0; values.len()] };
                let first = self.first.entry(name.to_owned()).or_insert_with(zeros);
                let second = self.second.entry(name.to_owned()).or_insert_with(zeros);
                let before = if self.average.contains_key(name) { Vec::new() } else { values.clone() };
                let keep = if shape.len() > 1 { 1.0 - learning_rate * WEIGHT_DECAY } else { 1.0 };
                let moments = first.values.iter_mut().zip(&mut second.values);
                for ((value, gradient), (first, second)) in values.iter_mut().zip(&gradient.values).zip(moments) {
                    let gradient = gradient * clip;
                    *first += (1.0 - BETA_FIRST) * (gradient - *first);
                    *second += (1.0 - BETA_SECOND) * (gradient * gradient - *second);
                    let direction = *first * first_scale / ((*second * second_scale).sqrt() + EPSILON);
                    *value = *value * keep - learning_rate * direction;
                }
                let average = self
                    .average
                    .entry(name.to_owned())
                    .or_insert_with(|| Values { shape: shape.to_vec(), values: before });
                for (average, value) in average.values.iter_mut().zip(values.iter()) {
                    *average += (1.0 - average_keeps) * (*value - *average);
                }
            },
        });
        (moved, norm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsp::mel::FeatureConfig;
    use crate::recognise::model::ModelConfig;
    use burn::tensor::Device;

    fn network() -> Network {
        let config = ModelConfig { channels: 8, ..ModelConfig::words(&FeatureConfig::speech(8_000), 3) };
        config.init(&Device::flex().autodiff()).unwrap()
    }

    #[test]
    fn written_parameters_are_read_back_and_still_learn() {
        let mut parameters = read(&network());
        assert!(parameters.contains_key("head.weight"), "{:?}", parameters.keys());
        parameters.values_mut().for_each(|values| values.values.fill(0.25));
        let written = write(network(), &parameters).unwrap();
        assert_eq!(read(&written), parameters);
        let input = Tensor::<3>::ones([1, 8, 40], &Device::flex().autodiff());
        let gradients = read_gradients(&written, &written.forward(input).sum().backward());
        assert_eq!(gradients.len(), parameters.len());
    }

    #[test]
    fn weights_of_another_network_are_refused() {
        let mut parameters = read(&network());
        parameters.get_mut("head.weight").unwrap().shape = vec![1, 2];
        assert!(write(network(), &parameters).unwrap_err().message.contains("head.weight has the shape [1, 2]"));
        parameters.remove("head.weight");
        assert!(write(network(), &parameters).unwrap_err().message.contains("head.weight is missing"));
    }

    #[test]
    fn updates_follow_the_published_formula() {
        let before = read(&network());
        let network = write(network(), &before).unwrap();
        let mut gradients = before.clone();
        gradients.values_mut().for_each(|values| values.values.fill(1e-3));
        let mut optimiser = AdamW::default();
        let (network, norm) = optimiser.update(network, &gradients, 0.1);
        let count: usize = before.values().map(|values| values.values.len()).sum();
        assert!((norm - 1e-3 * (count as f32).sqrt()).abs() < 1e-4);
        // The first update is the sign of the gradient times the rate, after the decay of matrices.
        let after = read(&network);
        for (name, values) in &before {
            let keep = if values.shape.len() > 1 { 1.0 - 0.1 * WEIGHT_DECAY } else { 1.0 };
            for (now, then) in after[name].values.iter().zip(&values.values) {
                assert!((now - (then * keep - 0.1)).abs() < 1e-4, "{name}: {then} to {now}");
            }
        }
        // The first average lies 9/11 of the way to the weights of the first update.
        for (name, values) in &optimiser.average {
            for ((average, now), then) in values.values.iter().zip(&after[name].values).zip(&before[name].values) {
                assert!(
                    (average - (then + 9.0 / 11.0 * (now - then))).abs() < 1e-5,
                    "{name}: {then}, {average}, {now}"
                );
            }
        }
        gradients.get_mut("head.bias").unwrap().values[0] = f32::NAN;
        let (network, norm) = optimiser.update(network, &gradients, 0.1);
        assert!(norm.is_nan());
        assert_eq!(read(&network), after);
        assert_eq!(optimiser.updates, 1);
    }
}
