//! Causes of the layer "Time".
//!
//! One file each; listed in the order of the taxonomy.

pub mod assertion_cached_expired;
pub mod clock_skew;
pub mod exp_digits_mangled;
pub mod exp_in_milliseconds;
pub mod exp_timezone_shift;
pub mod exp_too_far;
pub mod exp_wrong_time;
pub mod iat_in_future_clock_skew;
pub mod iat_missing;

use crate::proof::Cause;

/// Every cause of the layer.
pub static CAUSES: &[&Cause] = &[
    &clock_skew::CAUSE,
    &assertion_cached_expired::CAUSE,
    &iat_in_future_clock_skew::CAUSE,
    &exp_too_far::CAUSE,
    &exp_timezone_shift::CAUSE,
    &exp_in_milliseconds::CAUSE,
    &exp_digits_mangled::CAUSE,
    &exp_wrong_time::CAUSE,
    &iat_missing::CAUSE,
];
