// Data for kernels whose results nobody looks at: numbers of ordinary size, so that no loop meets
// subnormals or NaN.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/kernel_table.h"
#include "kernels/panel.h"

namespace quarry::bench {

// Of either sign and around 1 as f16, 0.01 as bf16 and f32; any int8.
AlignedBuffer MadeBytes(size_t bytes);

// Keys, values and queries of one call of the attention kernel, every key visible.
class AttendData {
 public:
  // may_round: see kernels::AttendArgs. REQUIRES: `tokens` is a multiple of kernels::kPanelTokens;
  // `kernels` outlives this.
  AttendData(const kernels::KernelTable& kernels, DType type, int head_dim, int rows, int tokens,
             bool may_round = false);

  void Attend();
  size_t key_and_value_bytes() const { return keys_.size() + values_.size(); }

 private:
  const kernels::KernelTable* kernels_;
  DType type_;
  int head_dim_;
  bool may_round_;
  AlignedBuffer keys_, values_, scratch_;
  std::vector<float> q_, m_, d_, o_;
  std::vector<int32_t> lo_, hi_;
  std::vector<kernels::KeyPanel> panels_;
};

}  // namespace quarry::bench
