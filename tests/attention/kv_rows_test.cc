#include "attention/kv_rows.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "attention/gather.h"
#include "kernels/panel.h"
#include "tests/support/attention_bounds.h"
#include "tests/support/layer_inputs.h"
#include "tests/support/random.h"

namespace quarry {
namespace {

constexpr KvPlane kRaw = KvPlane::kRawKeys, kRotated = KvPlane::kRotatedKeys;

// A store of one layer with its own context, filled from random inputs.
class Rows {
 public:
  Rows(DType type, const ModelShape& shape, const std::array<PlaneRule, kKvPlanes>& rules,
       int tokens, uint64_t seed = 1, double magnitude = 1, int rotated_dims = 0)
      : dtype(type),
        rope(PlainFrequencies(rotated_dims == 0 ? shape.head_dim : rotated_dims, 10000, 1),
             magnitude, shape.head_dim),
        kv(MakeKvLayout(shape, type, rules)),
        ctx(kernels::ScalarKernels(), 3) {
    Rng rng(seed);
    in = RandomInputs(rng, shape, tokens);
  }

  // Tokens [kv.size(), kv.size() + n), then Trim.
  void Append(int n) {
    const TokenPos first = kv.size();
    std::vector<float> cos(static_cast<size_t>(n * rope.pairs())), sin(cos.size());
    rope.Angles(first, n, cos.data(), sin.data());
    ASSERT_TRUE(kv.Reserve(n).ok());
    AppendRows(kv, 0, in.shape, dtype, rope,
               {.first = first,
                .n = n,
                .keys = in.k.data() + first * in.kv_width(),
                .values = in.v.data() + first * in.kv_width(),
                .stride = in.kv_width(),
                .cos = cos.data(),
                .sin = sin.data()},
               ctx);
    kv.Advance(n);
    kv.Trim();
  }

  const float* Key(TokenPos t, int head) const {
    return in.k.data() + t * in.kv_width() + head * in.shape.head_dim;
  }

  // The key plane against its definition. A rotated key is off by three roundings of its pair's
  // length and one of storing it.
  void ExpectKeys(KvPlane plane, TokenPos begin, TokenPos end) const {
    const reference::Rotation rotation(PlainFrequencies(2 * rope.pairs(), 10000, 1),
                                       rope.magnitude());
    const int dim = in.shape.head_dim;
    const double rotated = in.k_norm() * rope.magnitude() * (4 * kUnitF32 + StorageError(dtype));
    const double bound = plane == kRotated     ? rotated
                         : dtype == DType::kI8 ? in.k_norm() * kInt8Error
                                               : 0;
    std::vector<float> got(static_cast<size_t>(dim));
    for (TokenPos t = begin; t < end; ++t) {
      for (int h = 0; h < in.shape.kv_heads; ++h) {
        ReadKey(kv, 0, plane, h, t, dtype, dim, got.data());
        const std::vector<double> raw(Key(t, h), Key(t, h) + dim);
        const auto want = plane == kRaw ? raw : rotation.Rotate(raw.data(), dim, t);
        for (size_t c = 0; c < got.size(); ++c) {
          ASSERT_NEAR(static_cast<double>(got[c]), want[c], bound)
              << DTypeName(dtype) << " token " << t << " head " << h << " channel " << c;
        }
      }
    }
  }

  DType dtype;
  Rope rope;
  KvStore kv;
  ExecContext ctx;
  LayerInputs in;
};

constexpr DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kI8};
// What inf-llm keeps with a window of 40.
const std::array<PlaneRule, kKvPlanes> kWindowed = {PlaneRule::All(), PlaneRule{true, 0, 40},
                                                    PlaneRule::All()};
const std::array<PlaneRule, kKvPlanes> kEverything = {PlaneRule::All(), PlaneRule::All(),
                                                      PlaneRule::All()};

TEST(KvRows, AppendsRaggedCalls) {
  for (DType dtype : kTypes) {
    for (int dim : {8, 24, 80}) {
      Rows rows(dtype, {1, 4, 2, dim}, kEverything, 300);
      for (int n : {1, 15, 17, 100, 1, 1, 130, 35}) rows.Append(n);
      rows.ExpectKeys(kRaw, 0, 300);
      rows.ExpectKeys(kRotated, 0, 300);
      for (TokenPos t = 0; t < 300; ++t) {
        for (int h = 0; h < 2; ++h) {
          const std::byte* panel = rows.kv.panel(0, KvPlane::kValues, h, t / 16);
          for (int c = 0; c < dim; ++c) {
            const float stored = kernels::LoadValue(dtype, panel, dim, static_cast<int>(t % 16), c);
            const float want = rows.in.v[static_cast<size_t>((t * 2 + h) * dim + c)];
            ASSERT_NEAR(static_cast<double>(stored), static_cast<double>(want),
                        dtype == DType::kI8 ? rows.in.v_max() * kInt8Error : 0);
          }
        }
      }
    }
  }
}

TEST(KvRows, RotatesAFractionOfTheChannels) {
  Rows rows(DType::kF32, {1, 2, 1, 32}, kEverything, 60, 1, 1.25, 24);
  rows.Append(60);
  rows.ExpectKeys(kRotated, 0, 60);
}

// With both key planes kept, 256 channels of f32 used to run over a buffer of 256 16-bit elements.
TEST(KvRows, LargestHead) {
  for (DType dtype : kTypes) {
    Rows rows(dtype, {1, 2, 1, 256}, kWindowed, 40);
    rows.Append(40);
    rows.ExpectKeys(kRaw, 0, 40);
    rows.ExpectKeys(kRotated, 0, 40);
  }
}

TEST(KvRows, TruncateMakesTheWindowAnew) {
  for (DType dtype : kTypes) {
    Rows rows(dtype, {1, 2, 2, 16}, kWindowed, 900);
    rows.Append(900);
    ASSERT_FALSE(rows.kv.MissingAfterTruncate(kRotated, 500).empty());
    const auto done = TruncateRows(rows.kv, rows.in.shape, dtype, rows.rope, 500, rows.ctx);
    ASSERT_TRUE(done.ok() && *done);
    EXPECT_EQ(rows.kv.size(), 500);
    rows.ExpectKeys(kRotated, 460, 500);
    rows.ExpectKeys(kRaw, 0, 500);
  }
}

// Rotated keys come from the raw ones as stored, so that they can be made again: the same bits.
TEST(KvRows, KeysMadeAnewHaveTheSameBits) {
  for (DType dtype : kTypes) {
    Rows rows(dtype, {1, 2, 2, 16}, kWindowed, 900),
        straight(dtype, {1, 2, 2, 16}, kEverything, 900);
    Rng rng(7);
    rows.in.k = straight.in.k = RandomFloats(rng, rows.in.k.size());  // not exact in 16 bits
    rows.Append(900);
    straight.Append(900);
    const auto done = TruncateRows(rows.kv, rows.in.shape, dtype, rows.rope, 500, rows.ctx);
    ASSERT_TRUE(done.ok() && *done);
    float made[16], first[16];
    for (TokenPos t = 460; t < 500; ++t) {
      for (int h = 0; h < 2; ++h) {
        ReadKey(rows.kv, 0, kRotated, h, t, dtype, 16, made);
        ReadKey(straight.kv, 0, kRotated, h, t, dtype, 16, first);
        for (size_t c = 0; c < 16; ++c) ASSERT_EQ(made[c], first[c]) << DTypeName(dtype) << t;
      }
    }
  }
}

// The second cut reaches into the block whose end the first one had made anew: its beginning was
// left zero.
TEST(KvRows, TruncateTwiceIntoTheSameBlock) {
  Rows rows(DType::kF32, {1, 1, 1, 8}, kWindowed, 900);
  rows.Append(900);
  for (TokenPos n : {500, 460, 430, 390, 200}) {
    const auto done = TruncateRows(rows.kv, rows.in.shape, rows.dtype, rows.rope, n, rows.ctx);
    ASSERT_TRUE(done.ok() && *done);
    rows.ExpectKeys(kRotated, n - 40, n);
  }
  rows.Append(300);
  rows.ExpectKeys(kRotated, 460, 500);
}

TEST(KvRows, TruncateRefusesWhatCannotBeMadeAgain) {
  // stream-llm keeps no raw keys and forgets values.
  Rows rows(DType::kF32, {1, 1, 1, 8},
            {PlaneRule::None(), PlaneRule{true, 4, 40}, PlaneRule{true, 4, 40}}, 900);
  rows.Append(900);
  const auto lost = TruncateRows(rows.kv, rows.in.shape, rows.dtype, rows.rope, 500, rows.ctx);
  ASSERT_TRUE(lost.ok());
  EXPECT_FALSE(*lost);
  EXPECT_EQ(rows.kv.size(), 900) << "nothing changed";
  rows.ExpectKeys(kRotated, 860, 900);
  // The last block that was given back ends at 768: from 808 on the window is whole.
  const auto kept = TruncateRows(rows.kv, rows.in.shape, rows.dtype, rows.rope, 808, rows.ctx);
  ASSERT_TRUE(kept.ok());
  EXPECT_TRUE(*kept);
  rows.ExpectKeys(kRotated, 768, 808);
  rows.ExpectKeys(kRotated, 0, 4);
}

// Single tokens into a panel.
TEST(Gather, CopiesTokensLaneByLane) {
  for (DType dtype : kTypes) {
    for (int dim : {8, 24, 64}) {
      Rows rows(dtype, {1, 4, 2, dim}, kEverything, 300);
      rows.Append(300);
      const std::vector<TokenPos> tokens = {0, 1, 15, 16, 127, 128, 129, 200, 255, 256, 299};
      const auto keys_bytes = kernels::KeyPanelBytes(dtype, dim);
      const auto values_bytes = kernels::ValuePanelBytes(dtype, dim);
      for (KvPlane plane : {kRaw, kRotated}) {
        std::vector<std::byte> keys(keys_bytes + 64, std::byte{0xee});
        std::vector<std::byte> values(values_bytes + 64, std::byte{0xee});
        GatherPanel({&rows.kv, 0, 1, plane, dtype, dim}, tokens, keys.data(), values.data());
        std::vector<float> key(static_cast<size_t>(dim));
        for (int lane = 0; lane < 16; ++lane) {
          const auto i = static_cast<size_t>(lane);
          const bool taken = i < tokens.size();
          if (taken) ReadKey(rows.kv, 0, plane, 1, tokens[i], dtype, dim, key.data());
          for (int c = 0; c < dim; ++c) {
            ASSERT_EQ(kernels::LoadKey(dtype, keys.data(), dim, lane, c),
                      taken ? key[static_cast<size_t>(c)] : 0.0f);
            const float value =
                taken ? kernels::LoadValue(dtype,
                                           rows.kv.panel(0, KvPlane::kValues, 1, tokens[i] / 16),
                                           dim, static_cast<int>(tokens[i] % 16), c)
                      : 0.0f;
            ASSERT_EQ(kernels::LoadValue(dtype, values.data(), dim, lane, c), value);
          }
        }
        for (size_t i = 0; i < 64; ++i) {
          ASSERT_EQ(keys[keys_bytes + i], std::byte{0xee});
          ASSERT_EQ(values[values_bytes + i], std::byte{0xee});
        }
      }
    }
  }
}

}  // namespace
}  // namespace quarry
