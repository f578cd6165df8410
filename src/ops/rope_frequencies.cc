#include "ops/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace quarry {
namespace {

// Base of the dynamic scaling at this length (transformers; "NTK-aware", grown with the text).
double DynamicBase(const RopeSpec& s, int64_t total_length) {
  const auto limit = static_cast<double>(s.max_positions);
  const double length = std::max(static_cast<double>(total_length), limit);
  const auto r = static_cast<double>(s.rotated_dims);
  return s.base * std::pow(s.factor * length / limit - (s.factor - 1), r / (r - 2));
}

// YaRN's border between pairs that are interpolated and pairs that are kept: the pair that turns
// `turns` times within the original length.
double YarnPair(const RopeSpec& s, double turns) {
  return static_cast<double>(s.rotated_dims) *
         std::log(static_cast<double>(s.original_max_positions) / (2 * std::numbers::pi * turns)) /
         (2 * std::log(s.base));
}

double Yarn(const RopeSpec& s, double f, double pair) {
  double low = YarnPair(s, s.beta_fast), high = YarnPair(s, s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(s.rotated_dims - 1));
  if (low == high) high += 0.001;
  const double ramp = std::clamp((pair - low) / (high - low), 0.0, 1.0);
  return f / s.factor * ramp + f * (1 - ramp);
}

}  // namespace

double Llama3Frequency(const RopeSpec& s, double f) {
  const double wavelength = 2 * std::numbers::pi / f;
  const auto original = static_cast<double>(s.original_max_positions);
  if (wavelength < original / s.high_freq_factor) return f;
  if (wavelength > original / s.low_freq_factor) return f / s.factor;
  const double t =
      (original / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - t) * f / s.factor + t * f;
}

Rope MakeRope(const RopeSpec& s, int head_dim, int64_t total_length) {
  const double base = s.kind == RopeKind::kDynamic ? DynamicBase(s, total_length) : s.base;
  std::vector<double> frequencies;
  for (int64_t p = 0; p < s.rotated_dims / 2; ++p) {
    double f = std::pow(base, -2.0 * static_cast<double>(p) / static_cast<double>(s.rotated_dims));
    switch (s.kind) {
      case RopeKind::kDefault:
      case RopeKind::kDynamic:
        break;
      case RopeKind::kLinear:
        f /= s.factor;
        break;
      case RopeKind::kLlama3:
        f = Llama3Frequency(s, f);
        break;
      case RopeKind::kYarn:
        f = Yarn(s, f, static_cast<double>(p));
        break;
      case RopeKind::kLongRope: {
        const auto& list = total_length > s.original_max_positions ? s.long_factor : s.short_factor;
        f /= list[static_cast<size_t>(p)];
        break;
      }
    }
    frequencies.push_back(f * s.position_scale);
  }
  return Rope(std::move(frequencies), s.magnitude, head_dim);
}

}  // namespace quarry
