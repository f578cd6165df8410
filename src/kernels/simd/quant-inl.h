// Quantised weights (kernels/quant_panel.h): matrix-vector products in integers, and widening.
#pragma once

#include "kernels/simd/quad-inl.h"

namespace quarry::kernels::QUARRY_SIMD_NAMESPACE {

// A vector holds kLanes of a strip's 16 rows.
inline constexpr int kPieces = kStripRows / kLanes;
inline constexpr int kVecBytes = 4 * kLanes;
// Rows of inputs done at once; more would not fit the registers.
inline constexpr int kQuantRowTile = kLanes == 16 ? 4 : 2;

// Bytes of 16-bit lanes moved so that bits `from` and above come to bit 4 of each byte; what
// crosses a byte is masked by the caller.
template <int kFrom>
HWY_INLINE VecU8 BitsToFour(VecU8 v) {
  const auto u = hn::BitCast(kU16, v);
  if constexpr (kFrom < 4) {
    return hn::BitCast(kU8, hn::ShiftLeft<4 - kFrom>(u));
  } else if constexpr (kFrom == 4) {
    return v;
  } else {
    return hn::BitCast(kU8, hn::ShiftRight<kFrom - 4>(u));
  }
}

// Codes of chunk C (0 to 7) of a group, for the rows of one piece: byte 4 * row + input % 4.
template <WeightType kType, int C>
HWY_INLINE VecU8 Codes(const uint8_t* group, int piece) {
  constexpr int kBits = LayoutOf(kType).bits;
  const uint8_t* at = group + piece * kVecBytes;
  if constexpr (kBits == 8) return hn::LoadU(kU8, at + 64 * C);
  constexpr int kHighBytes = 64 * (kBits - 4);
  VecU8 low = hn::LoadU(kU8, at + kHighBytes + 64 * (C / 2));
  if constexpr (C % 2 == 1) low = hn::BitCast(kU8, hn::ShiftRight<4>(hn::BitCast(kU16, low)));
  low = hn::And(low, hn::Set(kU8, 0x0f));
  if constexpr (kBits == 5) {
    const VecU8 high = BitsToFour<C>(hn::LoadU(kU8, at));
    low = hn::Or(low, hn::And(high, hn::Set(kU8, 0x10)));
  } else if constexpr (kBits == 6) {
    const VecU8 high = BitsToFour<2 * (C % 4)>(hn::LoadU(kU8, at + 64 * (C / 4)));
    low = hn::Or(low, hn::And(high, hn::Set(kU8, 0x30)));
  }
  return low;
}

HWY_INLINE VecF LoadScales(const uint8_t* f16, int piece) {
  return LoadF16(f16 + 2 * kLanes * piece);
}

template <typename T>
HWY_INLINE VecI LoadBytes(const uint8_t* p, int piece) {
  const hn::Rebind<T, F32> bytes;
  return hn::PromoteTo(kI32, hn::LoadU(bytes, reinterpret_cast<const T*>(p + kLanes * piece)));
}

// The 6-bit scale and minimum of group j behind the header of Q4_K or Q5_K.
HWY_INLINE void LoadScales6(const uint8_t* header, int j, int piece, VecF& scale, VecF& minimum) {
  const VecI low = LoadBytes<uint8_t>(header + 64 + 16 * j, piece);
  VecI high = LoadBytes<uint8_t>(header + 192 + 16 * (j % 4), piece);
  if (j < 4) high = hn::ShiftLeft<4>(high);
  const VecI sc = hn::Or(hn::And(low, hn::Set(kI32, 15)), hn::And(high, hn::Set(kI32, 0x30)));
  const VecI mn =
      hn::Or(hn::ShiftRight<4>(low), hn::And(hn::ShiftRight<2>(high), hn::Set(kI32, 0x30)));
  scale = hn::ConvertTo(kF32, sc);
  minimum = hn::ConvertTo(kF32, mn);
}

// Products.

template <WeightType kType, int R, int C>
HWY_INLINE void AddChunk(const uint8_t* group, const InputGroup* x, int64_t x_stride,
                         VecI (&dots)[R][kPieces]) {
  VecU8 codes[kPieces];
  for (int p = 0; p < kPieces; ++p) codes[p] = Codes<kType, C>(group, p);
  for (int r = 0; r < R; ++r) {
    const VecI8 quad = SplatQuad(x[r * x_stride].q + 4 * C);
    for (int p = 0; p < kPieces; ++p) {
      dots[r][p] = AddQuads<LayoutOf(kType).bits>(dots[r][p], codes[p], quad);
    }
  }
}

// Where sums of (code - offset) * q start: the offset leaves through the sum of the inputs.
template <WeightType kType>
HWY_INLINE VecI StartOf(int32_t sum) {
  constexpr QuantLayout kLayout = LayoutOf(kType);
  if constexpr (kLayout.offset == 0 || (kLayout.bits == 8 && kQuadsCentred)) {
    return hn::Zero(kI32);
  } else {
    return hn::Set(kI32, -kLayout.offset * sum);
  }
}

// Half 0: inputs 0 to 15 of the group, half 1: the others.
template <WeightType kType, int R, int kHalf>
HWY_INLINE void AddHalf(const uint8_t* group, const InputGroup* x, int64_t x_stride,
                        VecI (&dots)[R][kPieces]) {
  AddChunk<kType, R, 4 * kHalf>(group, x, x_stride, dots);
  AddChunk<kType, R, 4 * kHalf + 1>(group, x, x_stride, dots);
  AddChunk<kType, R, 4 * kHalf + 2>(group, x, x_stride, dots);
  AddChunk<kType, R, 4 * kHalf + 3>(group, x, x_stride, dots);
}

template <WeightType kType, int R>
HWY_INLINE void GroupDots(const uint8_t* group, const InputGroup* x, int64_t x_stride,
                          VecI (&dots)[R][kPieces]) {
  for (int r = 0; r < R; ++r) {
    const int32_t* sum = x[r * x_stride].sum;
    for (int p = 0; p < kPieces; ++p) dots[r][p] = StartOf<kType>(sum[0] + sum[1]);
  }
  AddHalf<kType, R, 0>(group, x, x_stride, dots);
  AddHalf<kType, R, 1>(group, x, x_stride, dots);
}

// One group with a header of its own: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1.
template <WeightType kType, int R>
HWY_INLINE void AddGroup(const uint8_t* at, const InputGroup* x, int64_t x_stride,
                         VecF (&sum)[R][kPieces]) {
  constexpr QuantLayout kLayout = LayoutOf(kType);
  VecI dots[R][kPieces];
  GroupDots<kType, R>(at + kLayout.header_bytes, x, x_stride, dots);
  for (int p = 0; p < kPieces; ++p) {
    const VecF d = LoadScales(at, p);
    for (int r = 0; r < R; ++r) {
      const InputGroup& in = x[r * x_stride];
      sum[r][p] =
          hn::MulAdd(hn::Mul(d, Splat(in.scale)), hn::ConvertTo(kF32, dots[r][p]), sum[r][p]);
      if constexpr (kLayout.minimum) {
        const float total = in.scale * static_cast<float>(in.sum[0] + in.sum[1]);
        sum[r][p] = hn::MulAdd(LoadScales(at + 32, p), Splat(total), sum[r][p]);
      }
    }
  }
}

// Eight groups behind one header: Q4_K, Q5_K.
template <WeightType kType, int R>
HWY_INLINE void AddSuperGroup45(const uint8_t* header, const InputGroup* x, int64_t x_stride,
                                VecF (&sum)[R][kPieces]) {
  constexpr QuantLayout kLayout = LayoutOf(kType);
  VecF scaled[R][kPieces], minima[R][kPieces];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < kPieces; ++p) scaled[r][p] = minima[r][p] = hn::Zero(kF32);
  }
  for (int j = 0; j < 8; ++j) {
    const uint8_t* group = header + kLayout.header_bytes + j * kLayout.group_bytes;
    AskAhead(group, kLayout.group_bytes);
    VecI dots[R][kPieces];
    GroupDots<kType, R>(group, x + j, x_stride, dots);
    for (int p = 0; p < kPieces; ++p) {
      VecF scale, minimum;
      LoadScales6(header, j, p, scale, minimum);
      for (int r = 0; r < R; ++r) {
        const InputGroup& in = x[r * x_stride + j];
        const float total = in.scale * static_cast<float>(in.sum[0] + in.sum[1]);
        scaled[r][p] = hn::MulAdd(hn::Mul(scale, Splat(in.scale)), hn::ConvertTo(kF32, dots[r][p]),
                                  scaled[r][p]);
        minima[r][p] = hn::MulAdd(minimum, Splat(total), minima[r][p]);
      }
    }
  }
  for (int p = 0; p < kPieces; ++p) {
    const VecF d = LoadScales(header, p), dmin = LoadScales(header + 32, p);
    for (int r = 0; r < R; ++r) {
      sum[r][p] = hn::MulAdd(d, scaled[r][p], sum[r][p]);
      sum[r][p] = hn::NegMulAdd(dmin, minima[r][p], sum[r][p]);
    }
  }
}

template <int R>
HWY_INLINE void AddSuperGroup6(const uint8_t* header, const InputGroup* x, int64_t x_stride,
                               VecF (&sum)[R][kPieces]) {
  constexpr WeightType kType = WeightType::kQ6_K;
  constexpr QuantLayout kLayout = LayoutOf(kType);
  VecF scaled[R][kPieces];
  for (int r = 0; r < R; ++r) {
    for (int p = 0; p < kPieces; ++p) scaled[r][p] = hn::Zero(kF32);
  }
  for (int j = 0; j < 8; ++j) {
    const uint8_t* group = header + kLayout.header_bytes + j * kLayout.group_bytes;
    AskAhead(group, kLayout.group_bytes);
    VecI first[R][kPieces], second[R][kPieces];
    for (int r = 0; r < R; ++r) {
      const InputGroup& in = x[r * x_stride + j];
      for (int p = 0; p < kPieces; ++p) {
        first[r][p] = StartOf<kType>(in.sum[0]);
        second[r][p] = StartOf<kType>(in.sum[1]);
      }
    }
    AddHalf<kType, R, 0>(group, x + j, x_stride, first);
    AddHalf<kType, R, 1>(group, x + j, x_stride, second);
    for (int p = 0; p < kPieces; ++p) {
      const VecI s0 = LoadBytes<int8_t>(header + 32 + 32 * j, p);
      const VecI s1 = LoadBytes<int8_t>(header + 48 + 32 * j, p);
      for (int r = 0; r < R; ++r) {
        const VecI dot = hn::Add(hn::Mul(s0, first[r][p]), hn::Mul(s1, second[r][p]));
        scaled[r][p] =
            hn::MulAdd(Splat(x[r * x_stride + j].scale), hn::ConvertTo(kF32, dot), scaled[r][p]);
      }
    }
  }
  for (int p = 0; p < kPieces; ++p) {
    const VecF d = LoadScales(header, p);
    for (int r = 0; r < R; ++r) sum[r][p] = hn::MulAdd(d, scaled[r][p], sum[r][p]);
  }
}

// Strips read side by side: a core fetches more of two places than of one.
inline constexpr int kStripsAtOnce = 2;

template <WeightType kType, int R>
HWY_INLINE void GemvStrips(const GemvQuantArgs& a, const uint8_t* strips, int64_t strip_bytes,
                           const InputGroup* x, float* y) {
  constexpr QuantLayout kLayout = LayoutOf(kType);
  constexpr int kBytes = kLayout.header_bytes + kLayout.super_groups * kLayout.group_bytes;
  VecF sum[kStripsAtOnce][R][kPieces];
  for (auto& strip : sum) {
    for (auto& row : strip) {
      for (VecF& piece : row) piece = hn::Zero(kF32);
    }
  }
  const int64_t n = a.k / (kGroupInputs * kLayout.super_groups);
  for (int64_t i = 0; i < n; ++i) {
    const InputGroup* in = x + i * kLayout.super_groups;
    for (int s = 0; s < kStripsAtOnce; ++s) {
      const uint8_t* at = strips + s * strip_bytes + i * kBytes;
      AskAhead(at, kLayout.super_groups == 1 ? kBytes : kLayout.header_bytes);
      if constexpr (kType == WeightType::kQ6_K) {
        AddSuperGroup6<R>(at, in, a.x_stride, sum[s]);
      } else if constexpr (kLayout.super_groups == 8) {
        AddSuperGroup45<kType, R>(at, in, a.x_stride, sum[s]);
      } else {
        AddGroup<kType, R>(at, in, a.x_stride, sum[s]);
      }
    }
  }
  for (int s = 0; s < kStripsAtOnce; ++s) {
    for (int r = 0; r < R; ++r) {
      for (int p = 0; p < kPieces; ++p) {
        StoreF(sum[s][r][p], y + r * a.y_stride + s * kStripRows + p * kLanes);
      }
    }
  }
}

template <WeightType kType>
HWY_NOINLINE void GemvQuantOf(const GemvQuantArgs& a) {
  const int64_t strip_bytes = StripBytes(kType, a.k);
  for (int s = 0; s < kWeightPanel / kStripRows; s += kStripsAtOnce) {
    const uint8_t* strips = static_cast<const uint8_t*>(a.w) + s * strip_bytes;
    for (int r = 0; r < a.rows;) {
      const InputGroup* x = a.x + r * a.x_stride;
      float* y = a.y + r * a.y_stride + s * kStripRows;
      const int left = a.rows - r < kQuantRowTile ? a.rows - r : kQuantRowTile;
      switch (left) {
        case 1:
          GemvStrips<kType, 1>(a, strips, strip_bytes, x, y);
          break;
        case 2:
          GemvStrips<kType, 2>(a, strips, strip_bytes, x, y);
          break;
        default:
          if constexpr (kQuantRowTile == 4) {
            if (left == 3) {
              GemvStrips<kType, 3>(a, strips, strip_bytes, x, y);
            } else {
              GemvStrips<kType, 4>(a, strips, strip_bytes, x, y);
            }
          }
      }
      r += left;
    }
  }
}

// Widening.

// Where the values of one panel go.
struct UnpackTarget {
  float* f32;  // [k][64], or null
  int64_t stride;
  BFloat16* bf16;  // [k / 2][64][2]
};

// value = code * scale + shift; the products and sums are exact but for one rounding.
template <WeightType kType, int C>
HWY_INLINE void UnpackChunk(const uint8_t* group, const VecF (&scale)[kPieces],
                            const VecF (&shift)[kPieces], int64_t input, int column,
                            const UnpackTarget& to) {
  for (int p = 0; p < kPieces; ++p) {
    const VecI quads = hn::BitCast(kI32, Codes<kType, C>(group, p));
    const VecI mask = hn::Set(kI32, 255);
    const VecF v[4] = {hn::MulAdd(hn::ConvertTo(kF32, hn::And(quads, mask)), scale[p], shift[p]),
                       hn::MulAdd(hn::ConvertTo(kF32, hn::And(hn::ShiftRight<8>(quads), mask)),
                                  scale[p], shift[p]),
                       hn::MulAdd(hn::ConvertTo(kF32, hn::And(hn::ShiftRight<16>(quads), mask)),
                                  scale[p], shift[p]),
                       hn::MulAdd(hn::ConvertTo(kF32, hn::And(hn::ShiftRight<24>(quads), mask)),
                                  scale[p], shift[p])};
    const int64_t row = input + 4 * C;
    const int at = column + p * kLanes;
    if (to.f32 != nullptr) {
      for (int i = 0; i < 4; ++i) StoreF(v[i], to.f32 + (row + i) * to.stride + at);
    } else {
      for (int i = 0; i < 4; i += 2) {
        const VecU pair = hn::Or(RoundToBf16(v[i]), hn::ShiftLeft<16>(RoundToBf16(v[i + 1])));
        hn::StoreU(pair, kU32,
                   reinterpret_cast<uint32_t*>(to.bf16) + (row + i) / 2 * kWeightPanel + at);
      }
    }
  }
}

template <WeightType kType, int kHalf>
HWY_INLINE void UnpackHalf(const uint8_t* group, const VecF (&scale)[kPieces],
                           const VecF (&shift)[kPieces], int64_t input, int column,
                           const UnpackTarget& to) {
  UnpackChunk<kType, 4 * kHalf>(group, scale, shift, input, column, to);
  UnpackChunk<kType, 4 * kHalf + 1>(group, scale, shift, input, column, to);
  UnpackChunk<kType, 4 * kHalf + 2>(group, scale, shift, input, column, to);
  UnpackChunk<kType, 4 * kHalf + 3>(group, scale, shift, input, column, to);
}

template <WeightType kType>
HWY_NOINLINE void UnpackQuantOf(const void* panel, int64_t k, const UnpackTarget& to) {
  constexpr QuantLayout kLayout = LayoutOf(kType);
  constexpr int kBytes = kLayout.header_bytes + kLayout.super_groups * kLayout.group_bytes;
  const VecF offset = Splat(-static_cast<float>(kLayout.offset));
  for (int s = 0; s < kWeightPanel / kStripRows; ++s) {
    const uint8_t* strip = static_cast<const uint8_t*>(panel) + s * StripBytes(kType, k);
    for (int64_t g = 0; g < k / kGroupInputs; ++g) {
      const int j = static_cast<int>(g % kLayout.super_groups);
      const uint8_t* header = strip + g / kLayout.super_groups * kBytes;
      const uint8_t* group = header + kLayout.header_bytes + j * kLayout.group_bytes;
      VecF scale[2][kPieces], shift[2][kPieces];
      for (int p = 0; p < kPieces; ++p) {
        VecF d = LoadScales(header, p);
        for (int half = 0; half < 2; ++half) {
          if constexpr (kType == WeightType::kQ6_K) {
            const VecI sc = LoadBytes<int8_t>(header + 32 + 32 * j + 16 * half, p);
            scale[half][p] = hn::Mul(d, hn::ConvertTo(kF32, sc));
            shift[half][p] = hn::Mul(scale[half][p], offset);
          } else if constexpr (kLayout.super_groups == 8) {
            VecF sc, mn;
            LoadScales6(header, j, p, sc, mn);
            scale[half][p] = hn::Mul(d, sc);
            shift[half][p] = hn::Neg(hn::Mul(LoadScales(header + 32, p), mn));
          } else {
            scale[half][p] = d;
            shift[half][p] = kLayout.minimum ? LoadScales(header + 32, p) : hn::Mul(d, offset);
          }
        }
      }
      UnpackHalf<kType, 0>(group, scale[0], shift[0], g * kGroupInputs, s * kStripRows, to);
      UnpackHalf<kType, 1>(group, scale[1], shift[1], g * kGroupInputs, s * kStripRows, to);
    }
  }
}

// The table's entries.

inline void GemvQuant(const GemvQuantArgs& a) {
  switch (a.type) {
    case WeightType::kQ8_0:
      return GemvQuantOf<WeightType::kQ8_0>(a);
    case WeightType::kQ4_0:
      return GemvQuantOf<WeightType::kQ4_0>(a);
    case WeightType::kQ4_1:
      return GemvQuantOf<WeightType::kQ4_1>(a);
    case WeightType::kQ5_0:
      return GemvQuantOf<WeightType::kQ5_0>(a);
    case WeightType::kQ5_1:
      return GemvQuantOf<WeightType::kQ5_1>(a);
    case WeightType::kQ4_K:
      return GemvQuantOf<WeightType::kQ4_K>(a);
    case WeightType::kQ5_K:
      return GemvQuantOf<WeightType::kQ5_K>(a);
    case WeightType::kQ6_K:
      return GemvQuantOf<WeightType::kQ6_K>(a);
    default:
      return;
  }
}

HWY_INLINE void UnpackTo(WeightType type, const void* panel, int64_t k, const UnpackTarget& to) {
  switch (type) {
    case WeightType::kQ8_0:
      return UnpackQuantOf<WeightType::kQ8_0>(panel, k, to);
    case WeightType::kQ4_0:
      return UnpackQuantOf<WeightType::kQ4_0>(panel, k, to);
    case WeightType::kQ4_1:
      return UnpackQuantOf<WeightType::kQ4_1>(panel, k, to);
    case WeightType::kQ5_0:
      return UnpackQuantOf<WeightType::kQ5_0>(panel, k, to);
    case WeightType::kQ5_1:
      return UnpackQuantOf<WeightType::kQ5_1>(panel, k, to);
    case WeightType::kQ4_K:
      return UnpackQuantOf<WeightType::kQ4_K>(panel, k, to);
    case WeightType::kQ5_K:
      return UnpackQuantOf<WeightType::kQ5_K>(panel, k, to);
    case WeightType::kQ6_K:
      return UnpackQuantOf<WeightType::kQ6_K>(panel, k, to);
    default:
      return;
  }
}

inline void UnpackQuant(WeightType type, const void* panel, int64_t k, float* out,
                        int64_t out_stride) {
  UnpackTo(type, panel, k, {out, out_stride, nullptr});
}

inline void UnpackQuantBf16(WeightType type, const void* panel, int64_t k, BFloat16* out) {
  UnpackTo(type, panel, k, {nullptr, 0, out});
}

inline void QuantizeInputs(const float* x, int64_t k, InputGroup* out) {
  for (int64_t g = 0; g < k / kGroupInputs; ++g) {
    const float* from = x + g * kGroupInputs;
    VecF largest = hn::Zero(kF32), none = hn::Zero(kF32);
    for (int i = 0; i < kGroupInputs; i += kLanes) {
      const VecF v = LoadF(from + i);
      largest = hn::Max(largest, hn::Abs(v));
      none = hn::MulAdd(v, hn::Zero(kF32), none);  // NaN if any is not finite
    }
    const float top = Largest(largest), nothing = Sum(none);
    InputGroup& to = out[g];
    to.scale = top / 127 + nothing;
    const VecF inverse = Splat(nothing == 0 && top >= kSmallestInput ? 127 / top : 0);
    HWY_ALIGN int32_t codes[kGroupInputs];
    for (int i = 0; i < kGroupInputs; i += kLanes) {
      hn::Store(hn::NearestInt(hn::Mul(LoadF(from + i), inverse)), kI32, codes + i);
    }
    to.sum[0] = to.sum[1] = 0;
    for (int i = 0; i < kGroupInputs; ++i) {
      const int32_t q = nothing == 0 ? codes[i] : 0;
      to.q[i] = static_cast<int8_t>(q);
      to.sum[i / 16] += q;
    }
  }
}

}  // namespace quarry::kernels::QUARRY_SIMD_NAMESPACE
