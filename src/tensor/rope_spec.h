// Rotary position embedding (Su et al., arXiv:2104.09864) as a model configures it: what is needed
// to compute its frequencies, nothing computed yet.
//
// The first `rotated_dims` = R dimensions of a head form R/2 pairs; the rest pass unchanged. Pair p
// turns by position * position_scale * f[p], and cos and sin are multiplied by `magnitude`.
//   adjacent_pairs: pair p is dimensions (2p, 2p + 1);   otherwise (p, p + R/2)
#pragma once

#include <cstdint>
#include <vector>

namespace quarry {

// How f differs from the plain f[p] = base^(-2p/R).
enum class RopeKind : uint8_t {
  kDefault,
  kLinear,    // f / factor
  kDynamic,   // a larger base once the sequence is longer than max_positions
  kLlama3,    // low frequencies divided by factor, high ones kept, a blend between
  kYarn,      // the same idea, the border given in turns (Peng et al., arXiv:2309.00071)
  kLongRope,  // f / short_factor[p] up to original_max_positions, f / long_factor[p] beyond
};

struct RopeSpec {
  RopeKind kind = RopeKind::kDefault;
  double base = 10000;
  int64_t rotated_dims = 0;  // R: even, at least 2, at most the head dimension
  bool adjacent_pairs = false;
  double magnitude = 1;       // yarn and longrope: applies at every length
  double position_scale = 1;  // position interpolation (Chen et al., arXiv:2306.15595)

  double factor = 1;                   // linear, dynamic, llama3, yarn
  int64_t max_positions = 0;           // dynamic: the length that needs no change
  int64_t original_max_positions = 0;  // llama3, yarn, longrope: the length of pre-training
  double low_freq_factor = 1;          // llama3, below high_freq_factor
  double high_freq_factor = 4;         // llama3
  double beta_fast = 32;               // yarn: turns within original_max_positions
  double beta_slow = 1;                // yarn
  bool truncate = true;                // yarn: round the borders of the ramp outwards
  std::vector<double> short_factor;    // longrope, [R/2]
  std::vector<double> long_factor;     // longrope, [R/2]

  friend bool operator==(const RopeSpec&, const RopeSpec&) = default;
};

}  // namespace quarry
