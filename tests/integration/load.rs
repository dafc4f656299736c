//! How much of the machine other programs take. The trainer gives way to everything else, so that the bar on its pauses holds
//! only where it is not starved by others.

use std::fs;

/// Processor time since a moment, ours and everybody's.
pub struct OtherLoad {
    ours: u32,
    /// Of all processors: busy and idle; of our process. In clock ticks.
    start: (u64, u64, u64),
}

impl OtherLoad {
    /// From now on; `ours` is the process that does not count.
    pub fn since_now(ours: u32) -> Self {
        Self { ours, start: ticks(ours) }
    }

    /// The share of all processors that others took, 0 to 1.
    pub fn share(&self) -> f64 {
        let (busy, idle, own) = ticks(self.ours);
        let (busy, idle, own) = (busy - self.start.0, idle - self.start.1, own - self.start.2);
        busy.saturating_sub(own) as f64 / (busy + idle).max(1) as f64
    }
}

fn ticks(process: u32) -> (u64, u64, u64) {
    let numbers = |text: &str| -> Vec<u64> { text.split_whitespace().map_while(|word| word.parse().ok()).collect() };
    let machine = fs::read_to_string("/proc/stat").unwrap();
    // user, nice, system, idle, waiting for a disk, interrupts (twice), stolen
    let all = numbers(machine.lines().next().unwrap().trim_start_matches("cpu"));
    let idle = all[3] + all[4];
    let busy = all.iter().take(8).sum::<u64>() - idle;
    // The name of a program may have blanks and brackets in it; then come the state, ten numbers, and user and system time.
    let own = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let after_state = own.rsplit_once(") ").unwrap().1.split_once(' ').unwrap().1;
    let fields: Vec<&str> = after_state.split_whitespace().collect();
    (busy, idle, fields[10].parse::<u64>().unwrap() + fields[11].parse::<u64>().unwrap())
}
