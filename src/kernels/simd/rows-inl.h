// Kernels over rows of f32, and the conversions between f32 and the panel layouts.
#pragma once

#include "kernels/simd/vec-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

inline void RmsNorm(const float* x, const float* w, int64_t n, float eps, float* out) {
  VecF sum0 = hn::Zero(kF32), sum1 = sum0;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const VecF a = LoadF(x + i), b = LoadF(x + i + kLanes);
    sum0 = hn::MulAdd(a, a, sum0);
    sum1 = hn::MulAdd(b, b, sum1);
  }
  float squares = Sum(hn::Add(sum0, sum1));
  for (; i < n; ++i) squares += x[i] * x[i];
  const float inverse = 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + eps);
  const VecF factor = Splat(inverse);
  for (i = 0; i + kLanes <= n; i += kLanes) {
    StoreF(hn::Mul(hn::Mul(LoadF(x + i), factor), LoadF(w + i)), out + i);
  }
  for (; i < n; ++i) out[i] = x[i] * inverse * w[i];
}

inline void RotateHalves(const float* x, const float* cos, const float* sin, int64_t half,
                         float* out) {
  int64_t i = 0;
  for (; i + kLanes <= half; i += kLanes) {
    const VecF a = LoadF(x + i), b = LoadF(x + half + i);
    const VecF c = LoadF(cos + i), s = LoadF(sin + i);
    StoreF(hn::NegMulAdd(b, s, hn::Mul(a, c)), out + i);
    StoreF(hn::MulAdd(a, s, hn::Mul(b, c)), out + half + i);
  }
  for (; i < half; ++i) {
    const float a = x[i], b = x[half + i];
    out[i] = a * cos[i] - b * sin[i];
    out[half + i] = b * cos[i] + a * sin[i];
  }
}

// silu(g) = g / (1 + e^-g). For g < -88 the exponential would overflow: e^-g is capped, and the
// result is below 1e-36 either way.
inline void SiluMul(const float* gate, const float* up, int64_t n, float* out) {
  const auto silu = [](VecF g) HWY_ATTR {
    const VecF e = Exp(hn::Min(hn::Neg(g), Splat(87.0f)));
    return hn::Div(g, hn::Add(Splat(1.0f), e));
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    StoreF(hn::Mul(silu(LoadF(gate + i)), LoadF(up + i)), out + i);
  }
  for (; i < n; ++i) out[i] = hn::GetLane(silu(Splat(gate[i]))) * up[i];
}

inline void Add(const float* x, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) StoreF(hn::Add(LoadF(y + i), LoadF(x + i)), y + i);
  for (; i < n; ++i) y[i] += x[i];
}

template <DType kType>
HWY_INLINE VecF LoadAs(const void* p, int64_t index) {
  if constexpr (kType == DType::kF32) return LoadF(static_cast<const float*>(p) + index);
  if constexpr (kType == DType::kF16) return LoadF16(static_cast<const uint16_t*>(p) + index);
  return LoadBf16(static_cast<const BFloat16*>(p) + index);
}

template <DType kType>
HWY_INLINE void StoreAs(VecF x, void* p, int64_t index) {
  if constexpr (kType == DType::kF32) StoreF(x, static_cast<float*>(p) + index);
  if constexpr (kType == DType::kF16) StoreF16(x, static_cast<uint16_t*>(p) + index);
  if constexpr (kType == DType::kBF16) StoreBf16(x, static_cast<BFloat16*>(p) + index);
}

template <DType kType>
HWY_INLINE void NarrowTo(const float* x, int64_t n, void* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) StoreAs<kType>(LoadF(x + i), out, i);
  for (; i < n; ++i) StoreElement(kType, out, static_cast<size_t>(i), x[i]);
}

template <DType kType>
HWY_INLINE void WidenFrom(const void* x, int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) StoreF(LoadAs<kType>(x, i), out + i);
  for (; i < n; ++i) out[i] = LoadElement(kType, x, static_cast<size_t>(i));
}

inline void Narrow(DType type, const float* x, int64_t n, void* out) {
  switch (type) {
    case DType::kF32:
      return NarrowTo<DType::kF32>(x, n, out);
    case DType::kF16:
      return NarrowTo<DType::kF16>(x, n, out);
    case DType::kBF16:
      return NarrowTo<DType::kBF16>(x, n, out);
    case DType::kI8:
      return;
  }
}

inline void Widen(DType type, const void* x, int64_t n, float* out) {
  switch (type) {
    case DType::kF32:
      return WidenFrom<DType::kF32>(x, n, out);
    case DType::kF16:
      return WidenFrom<DType::kF16>(x, n, out);
    case DType::kBF16:
      return WidenFrom<DType::kBF16>(x, n, out);
    case DType::kI8:
      return;
  }
}

// kRows rows at once: x is loaded once for all of them, and their sums do not wait for each other.
// Sums of a row are those of any other number of rows.
template <DType kType, int kRows>
HWY_INLINE void DotRowsAtOnce(const void* rows, int64_t first, int64_t dim, const float* x,
                              float* scores) {
  VecF sum[kRows][2];
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = hn::Zero(kF32);
  int64_t i = 0;
  for (; i + 2 * kLanes <= dim; i += 2 * kLanes) {
    const VecF x0 = LoadF(x + i), x1 = LoadF(x + i + kLanes);
    for (int r = 0; r < kRows; ++r) {
      const int64_t at = (first + r) * dim + i;
      sum[r][0] = hn::MulAdd(LoadAs<kType>(rows, at), x0, sum[r][0]);
      sum[r][1] = hn::MulAdd(LoadAs<kType>(rows, at + kLanes), x1, sum[r][1]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    float total = Sum(hn::Add(sum[r][0], sum[r][1]));
    for (int64_t j = i; j < dim; ++j) {
      total += LoadElement(kType, rows, static_cast<size_t>((first + r) * dim + j)) * x[j];
    }
    scores[first + r] = total;
  }
}

template <DType kType>
HWY_INLINE void DotRowsOf(const void* rows, int64_t n, int64_t dim, const float* x, float* scores) {
  constexpr int kRows = 4;
  // Far enough ahead for memory, near enough to stay in the first-level cache.
  constexpr int64_t kAhead = 4096;
  const int64_t row_bytes = dim * static_cast<int64_t>(SizeOf(kType));
  const auto* bytes = static_cast<const uint8_t*>(rows);
  int64_t r = 0;
  for (; r + kRows <= n; r += kRows) {
    for (int64_t at = 0; at < kRows * row_bytes; at += 64) {
      __builtin_prefetch(bytes + r * row_bytes + at + kAhead, 0, 3);
    }
    DotRowsAtOnce<kType, kRows>(rows, r, dim, x, scores);
  }
  for (; r < n; ++r) DotRowsAtOnce<kType, 1>(rows, r, dim, x, scores);
}

inline void DotRows(DType type, const void* rows, int64_t n, int64_t dim, const float* x,
                    float* scores) {
  switch (type) {
    case DType::kF32:
      return DotRowsOf<DType::kF32>(rows, n, dim, x, scores);
    case DType::kF16:
      return DotRowsOf<DType::kF16>(rows, n, dim, x, scores);
    case DType::kBF16:
      return DotRowsOf<DType::kBF16>(rows, n, dim, x, scores);
    case DType::kI8:
      return;
  }
}

// The bf16 bits of one value in the low half.
HWY_INLINE uint32_t Bf16Bits(float x) { return hn::GetLane(RoundToBf16(Splat(x))); }

inline void PackKeys(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
                     void* panel) {
  if (type == DType::kI8) return PackInt8Keys(rows, stride, n, head_dim, lane, panel);
  if (type == DType::kF32) {
    auto* out = static_cast<float*>(panel) + lane;
    for (int d = 0; d < head_dim; ++d) {
      for (int t = 0; t < n; ++t) out[d * kPanelTokens + t] = rows[t * stride + d];
    }
    return;
  }
  if (type == DType::kF16) {
    HWY_ALIGN uint16_t half[256 + kLanes];
    auto* out = static_cast<uint16_t*>(panel) + lane;
    for (int t = 0; t < n; ++t) {
      for (int d = 0; d < head_dim; d += kLanes) {
        StoreF16(LoadUpTo(rows + t * stride + d, head_dim - d), half + d);
      }
      for (int d = 0; d < head_dim; ++d) out[d * kPanelTokens + t] = half[d];
    }
    return;
  }
  HWY_ALIGN uint32_t bits[256 + kLanes];
  auto* out = static_cast<uint32_t*>(panel) + lane;
  for (int t = 0; t < n; ++t) {
    for (int d = 0; d < head_dim; d += kLanes) {
      const VecF x = LoadUpTo(rows + t * stride + d, head_dim - d);
      hn::StoreU(RoundToBf16(x), kU32, bits + d);
    }
    for (int d = 0; d < head_dim; d += 2) {
      out[d / 2 * kPanelTokens + t] = bits[d] | (bits[d + 1] << 16);
    }
  }
}

inline void PackValues(DType type, const float* rows, int64_t stride, int n, int head_dim, int lane,
                       void* panel) {
  if (type == DType::kI8) return PackInt8Values(rows, stride, n, head_dim, lane, panel);
  const int value_stride = ValueStride(head_dim);
  if (type == DType::kF32) {
    auto* out = static_cast<float*>(panel) + lane * value_stride;
    for (int t = 0; t < n; ++t) {
      for (int d = 0; d < head_dim; ++d) out[t * value_stride + d] = rows[t * stride + d];
    }
    return;
  }
  auto* out = static_cast<uint16_t*>(panel);
  if (type == DType::kF16) {
    for (int t = 0; t < n; ++t) {
      for (int d = 0; d < head_dim; d += kLanes) {
        StoreF16(LoadUpTo(rows + t * stride + d, head_dim - d),
                 out + (lane + t) * value_stride + d);
      }
    }
    return;
  }
  const auto one = [&](int t) HWY_ATTR {
    uint16_t* row = out + (lane + t) / 2 * 2 * value_stride + (lane + t) % 2;
    for (int d = 0; d < head_dim; ++d) {
      row[2 * d] = static_cast<uint16_t>(Bf16Bits(rows[t * stride + d]));
    }
  };
  int t = 0;
  if (lane % 2 == 1 && n > 0) one(t++);
  for (; t + 2 <= n; t += 2) {
    auto* row = reinterpret_cast<uint32_t*>(out + (lane + t) * value_stride);
    const float* a = rows + t * stride;
    for (int d = 0; d < head_dim; d += kLanes) {
      const VecU first = RoundToBf16(LoadUpTo(a + d, head_dim - d));
      const VecU second = RoundToBf16(LoadUpTo(a + stride + d, head_dim - d));
      hn::StoreU(hn::Or(first, hn::ShiftLeft<16>(second)), kU32, row + d);
    }
  }
  if (t < n) one(t);
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
