// Kernels of block selection: ranges of keys, bounds of pages, the best of a list of scores.
#pragma once

#include "kernels/simd/rows-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

// Channels d and d + 1 (d even) of lanes [lane, lane + kLanes) of a key panel; of int8 the codes.
template <DType kType>
HWY_INLINE void LoadCodes(const void* panel, int d, int lane, VecF& a, VecF& b) {
  if constexpr (kType == DType::kI8) {
    const auto* in = static_cast<const int8_t*>(panel) + d * kPanelTokens + lane;
    a = LoadI8(in);
    b = LoadI8(in + kPanelTokens);
  } else if constexpr (kType == DType::kBF16) {
    LoadBf16Pairs(static_cast<const BFloat16*>(panel) + d * kPanelTokens + 2 * lane, a, b);
  } else {
    a = LoadAs<kType>(panel, d * kPanelTokens + lane);
    b = LoadAs<kType>(panel, (d + 1) * kPanelTokens + lane);
  }
}

// The same as numbers.
template <DType kType>
HWY_INLINE void LoadChannels(const void* panel, int head_dim, int d, int lane, VecF& a, VecF& b) {
  LoadCodes<kType>(panel, d, lane, a, b);
  if constexpr (kType == DType::kI8) {
    const VecF scale = LoadBf16(KeyScales(panel, head_dim) + d / kScaleBlock * kPanelTokens + lane);
    a = hn::Mul(a, scale);
    b = hn::Mul(b, scale);
  }
}

template <DType kType>
HWY_INLINE void KeyRangeOf(const void* panel, int head_dim, int begin, int end, float* low,
                           float* high) {
  constexpr float kInfinity = __builtin_inff();
  for (int d = 0; d < head_dim; d += 2) {
    VecF low_a = Splat(kInfinity), low_b = low_a, high_a = Splat(-kInfinity), high_b = high_a;
    for (int lane = 0; lane < kPanelTokens; lane += kLanes) {
      VecF a, b;
      LoadChannels<kType>(panel, head_dim, d, lane, a, b);
      const VecI i = hn::Iota(kI32, lane);
      const auto inside = hn::RebindMask(
          kF32, hn::AndNot(hn::Lt(i, hn::Set(kI32, begin)), hn::Lt(i, hn::Set(kI32, end))));
      low_a = hn::Min(low_a, hn::IfThenElse(inside, a, Splat(kInfinity)));
      low_b = hn::Min(low_b, hn::IfThenElse(inside, b, Splat(kInfinity)));
      high_a = hn::Max(high_a, hn::IfThenElse(inside, a, Splat(-kInfinity)));
      high_b = hn::Max(high_b, hn::IfThenElse(inside, b, Splat(-kInfinity)));
    }
    const float lows[2] = {hn::GetLane(hn::MinOfLanes(kF32, low_a)),
                           hn::GetLane(hn::MinOfLanes(kF32, low_b))};
    const float highs[2] = {Largest(high_a), Largest(high_b)};
    for (int i = 0; i < 2; ++i) {
      if (lows[i] < low[d + i]) low[d + i] = lows[i];
      if (highs[i] > high[d + i]) high[d + i] = highs[i];
    }
  }
}

inline void KeyRange(DType type, const void* panel, int head_dim, int begin, int end, float* low,
                     float* high) {
  switch (type) {
    case DType::kF32:
      return KeyRangeOf<DType::kF32>(panel, head_dim, begin, end, low, high);
    case DType::kF16:
      return KeyRangeOf<DType::kF16>(panel, head_dim, begin, end, low, high);
    case DType::kBF16:
      return KeyRangeOf<DType::kBF16>(panel, head_dim, begin, end, low, high);
    case DType::kI8:
      return KeyRangeOf<DType::kI8>(panel, head_dim, begin, end, low, high);
  }
}

// Four sums a row: with one row a single chain of multiply-adds would wait for itself. int8: sums
// of a block of channels are made without its scales, which then count once.
template <DType kType, int R>
HWY_INLINE void BoundRows(const PageBoundArgs& a, int row) {
  // Two channels of a panel.
  constexpr int kStepBytes = 2 * kPanelTokens * static_cast<int>(SizeOf(kType));
  const char* ahead_high = static_cast<const char*>(a.ahead_high);
  const char* ahead_low = static_cast<const char*>(a.ahead_low);
  const float* up = a.up + static_cast<int64_t>(row) * a.head_dim;
  const float* down = a.down + static_cast<int64_t>(row) * a.head_dim;
  const int block_size = kType == DType::kI8 ? kScaleBlock : a.head_dim;
  for (int lane = 0; lane < kPanelTokens; lane += kLanes) {
    const bool fetch = row == 0 && lane == 0;
    VecF total[R];
    for (int r = 0; r < R; ++r) total[r] = hn::Zero(kF32);
    for (int block = 0; block < a.head_dim; block += block_size) {
      const int end = block + block_size < a.head_dim ? block + block_size : a.head_dim;
      VecF sum[R][4];
      for (int r = 0; r < R; ++r) {
        for (int i = 0; i < 4; ++i) sum[r][i] = hn::Zero(kF32);
      }
      for (int d = block; d < end; d += 2) {
        const int begin = d / 2 * kStepBytes;
        for (int i = begin; fetch && i < begin + kStepBytes && i % 64 == 0; i += 64) {
          __builtin_prefetch(ahead_high + i, 0, 2);
          __builtin_prefetch(ahead_low + i, 0, 2);
        }
        VecF high_a, high_b, low_a, low_b;
        LoadCodes<kType>(a.high, d, lane, high_a, high_b);
        LoadCodes<kType>(a.low, d, lane, low_a, low_b);
        for (int r = 0; r < R; ++r) {
          const int at = r * a.head_dim + d;
          sum[r][0] = hn::MulAdd(Splat(up[at]), high_a, sum[r][0]);
          sum[r][1] = hn::MulAdd(Splat(up[at + 1]), high_b, sum[r][1]);
          sum[r][2] = hn::MulAdd(Splat(down[at]), low_a, sum[r][2]);
          sum[r][3] = hn::MulAdd(Splat(down[at + 1]), low_b, sum[r][3]);
        }
      }
      if constexpr (kType == DType::kI8) {
        const int at = block / kScaleBlock * kPanelTokens + lane;
        const VecF high_scale = LoadBf16(KeyScales(a.high, a.head_dim) + at);
        const VecF low_scale = LoadBf16(KeyScales(a.low, a.head_dim) + at);
        if (fetch) {
          __builtin_prefetch(KeyScales(ahead_high, a.head_dim) + at, 0, 2);
          __builtin_prefetch(KeyScales(ahead_low, a.head_dim) + at, 0, 2);
        }
        for (int r = 0; r < R; ++r) {
          total[r] = hn::MulAdd(hn::Add(sum[r][0], sum[r][1]), high_scale, total[r]);
          total[r] = hn::MulAdd(hn::Add(sum[r][2], sum[r][3]), low_scale, total[r]);
        }
      } else {
        for (int r = 0; r < R; ++r) {
          total[r] = hn::Add(hn::Add(sum[r][0], sum[r][1]), hn::Add(sum[r][2], sum[r][3]));
        }
      }
    }
    for (int r = 0; r < R; ++r) StoreF(total[r], a.scores + (row + r) * a.stride + lane);
  }
}

template <DType kType>
HWY_INLINE void PageBoundsOf(const PageBoundArgs& a) {
  int row = 0;
  if constexpr (kLanes == 16) {
    for (; row + 4 <= a.rows; row += 4) BoundRows<kType, 4>(a, row);
  }
  for (; row + 2 <= a.rows; row += 2) BoundRows<kType, 2>(a, row);
  if (row < a.rows) BoundRows<kType, 1>(a, row);
}

inline void PageBounds(const PageBoundArgs& a) {
  switch (a.dtype) {
    case DType::kF32:
      return PageBoundsOf<DType::kF32>(a);
    case DType::kF16:
      return PageBoundsOf<DType::kF16>(a);
    case DType::kBF16:
      return PageBoundsOf<DType::kBF16>(a);
    case DType::kI8:
      return PageBoundsOf<DType::kI8>(a);
  }
}

// top_k: the k-th largest score is found by bisection over the floats in their order, each step
// counting the scores that reach the middle: at most 32 passes of compare and add over a list that
// stays in cache, where a heap or a partition would mispredict at every element. NaN compares false
// and so never counts.

// Floats without NaN in ascending order as integers, and back.
HWY_INLINE uint32_t OrderOf(float x) {
  const auto bits = __builtin_bit_cast(uint32_t, x);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
HWY_INLINE float AtOrder(uint32_t order) {
  return __builtin_bit_cast(float, order >> 31 ? order & 0x7fffffffu : ~order);
}

HWY_INLINE int64_t CountAtLeast(const float* scores, int64_t n, float threshold) {
  const VecF least = Splat(threshold);
  const VecI one = hn::Set(kI32, 1);
  VecI count0 = hn::Zero(kI32), count1 = count0;
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    const auto a = hn::RebindMask(kI32, hn::Ge(LoadF(scores + i), least));
    const auto b = hn::RebindMask(kI32, hn::Ge(LoadF(scores + i + kLanes), least));
    count0 = hn::IfThenElse(a, hn::Add(count0, one), count0);
    count1 = hn::IfThenElse(b, hn::Add(count1, one), count1);
  }
  int64_t count = hn::GetLane(hn::SumOfLanes(kI32, hn::Add(count0, count1)));
  for (; i < n; ++i) count += scores[i] >= threshold ? 1 : 0;
  return count;
}

// Smallest and largest score that is not NaN; false if all are.
HWY_INLINE bool ScoreRange(const float* scores, int64_t n, float& low, float& high) {
  constexpr float kInfinity = __builtin_inff();
  VecF lows = Splat(kInfinity), highs = Splat(-kInfinity);
  bool any = false;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecF x = LoadF(scores + i);
    const auto nan = hn::IsNaN(x);
    lows = hn::Min(lows, hn::IfThenElse(nan, Splat(kInfinity), x));
    highs = hn::Max(highs, hn::IfThenElse(nan, Splat(-kInfinity), x));
    any = any || !hn::AllTrue(kF32, nan);
  }
  low = hn::GetLane(hn::MinOfLanes(kF32, lows));
  high = Largest(highs);
  for (; i < n; ++i) {
    if (scores[i] != scores[i]) continue;
    any = true;
    low = scores[i] < low ? scores[i] : low;
    high = scores[i] > high ? scores[i] : high;
  }
  return any;
}

// Appends the indices of scores above `threshold`, and of the first `equal` that are equal to it.
HWY_INLINE void EmitAtLeast(const float* scores, int64_t n, float threshold, int64_t equal,
                            int32_t* out) {
  const auto emit = [&](int64_t i) HWY_ATTR {
    if (scores[i] > threshold || equal-- > 0) *out++ = static_cast<int32_t>(i);
  };
  const VecF least = Splat(threshold);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    uint64_t bits = 0;
    hn::StoreMaskBits(kF32, hn::Ge(LoadF(scores + i), least), reinterpret_cast<uint8_t*>(&bits));
    for (; bits != 0; bits &= bits - 1) emit(i + __builtin_ctzll(bits));
  }
  for (; i < n; ++i) {
    if (scores[i] >= threshold) emit(i);
  }
}

inline void TopK(const float* scores, int64_t n, int64_t k, int32_t* out) {
  if (k <= 0) return;
  float low = 0, high = 0;
  const bool any = ScoreRange(scores, n, low, high);
  const int64_t numbers = any ? CountAtLeast(scores, n, low) : 0;
  if (numbers <= k) {  // all of them, and the first NaNs
    int64_t nan = k - numbers;
    for (int64_t i = 0; i < n; ++i) {
      if (scores[i] == scores[i] || nan-- > 0) *out++ = static_cast<int32_t>(i);
    }
    return;
  }
  // At least k scores reach `reached`, fewer than k reach `missed`.
  uint32_t reached = OrderOf(low), missed = OrderOf(high) + 1;
  int64_t above = 0;  // scores that reach `missed`
  while (missed - reached > 1) {
    const uint32_t middle = reached + (missed - reached) / 2;
    const int64_t count = CountAtLeast(scores, n, AtOrder(middle));
    if (count >= k) {
      reached = middle;
      if (count == k) return EmitAtLeast(scores, n, AtOrder(middle), k, out);
    } else {
      missed = middle;
      above = count;
    }
  }
  EmitAtLeast(scores, n, AtOrder(reached), k - above, out);
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
