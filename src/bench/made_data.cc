#include "bench/made_data.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/rng.h"

namespace quarry::bench {

AlignedBuffer MadeBytes(size_t bytes) {
  constexpr size_t kMade = size_t{1} << 20;  // repeated
  AlignedBuffer out(bytes);
  Rng rng(7);
  for (size_t i = 0; i + 2 <= std::min(bytes, kMade); i += 2) {
    const auto bits = static_cast<uint16_t>(0x3c00u | (rng.Next() & 0x80ffu));
    std::memcpy(out.data() + i, &bits, 2);
  }
  for (size_t i = kMade; i < bytes; i += kMade) {
    std::memcpy(out.data() + i, out.data(), std::min(kMade, bytes - i));
  }
  return out;
}

AttendData::AttendData(const kernels::KernelTable& kernels, DType type, int head_dim, int rows,
                       int tokens, bool may_round)
    : kernels_(&kernels), type_(type), head_dim_(head_dim), may_round_(may_round) {
  const int n_panels = tokens / kernels::kPanelTokens;
  const size_t key_bytes = kernels::KeyPanelBytes(type, head_dim);
  const size_t value_bytes = kernels::ValuePanelBytes(type, head_dim);
  const auto n_rows = static_cast<size_t>(rows);
  keys_ = MadeBytes(key_bytes * static_cast<size_t>(n_panels));
  values_ = MadeBytes(value_bytes * static_cast<size_t>(n_panels));
  scratch_ = AlignedBuffer(
      static_cast<size_t>(kernels.attend_scratch_floats(rows, head_dim)) * sizeof(float) + 64);
  q_.assign(n_rows * static_cast<size_t>(head_dim), 0.1f);
  m_.assign(n_rows, -INFINITY);
  d_.assign(n_rows, 0);
  o_.assign(n_rows * static_cast<size_t>(kernels::ValueStride(head_dim)), 0);
  lo_.assign(n_rows, 0);
  hi_.assign(n_rows, tokens);
  const size_t scales = kernels::ScaleBytes(type, head_dim) / sizeof(BFloat16);
  for (int p = 0; p < n_panels; ++p) {
    const std::byte* key = keys_.data() + key_bytes * static_cast<size_t>(p);
    const std::byte* value = values_.data() + value_bytes * static_cast<size_t>(p);
    panels_.push_back({key, value, p * kernels::kPanelTokens, 0xffff});
    if (scales == 0) continue;
    std::fill_n(const_cast<BFloat16*>(kernels::KeyScales(key, head_dim)), scales,
                ToBFloat16(0.01f));
    std::fill_n(const_cast<BFloat16*>(kernels::ValueScales(value, head_dim)), scales,
                ToBFloat16(0.01f));
  }
}

void AttendData::Attend() {
  kernels_->attend({.dtype = type_,
                    .head_dim = head_dim_,
                    .rows = static_cast<int>(m_.size()),
                    .q = q_.data(),
                    .lo = lo_.data(),
                    .hi = hi_.data(),
                    .panels = panels_.data(),
                    .n_panels = static_cast<int>(panels_.size()),
                    .scale = 0.125f,
                    .m = m_.data(),
                    .d = d_.data(),
                    .o = o_.data(),
                    .weights = nullptr,
                    .tile_max = nullptr,
                    .scratch = scratch_.as<float>(),
                    .may_round = may_round_});
}

}  // namespace quarry::bench
