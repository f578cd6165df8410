// Row kernels, packing and matrix-vector products of every instruction set against float64 or,
// where the result is exact, against the scalar reference bit for bit.

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "kernels/dispatch.h"
#include "tests/support/random.h"

namespace quarry::kernels {
namespace {

constexpr double kEps = std::numeric_limits<float>::epsilon();

class RowsTest : public testing::TestWithParam<const KernelTable*> {
 protected:
  const KernelTable& kernels() const { return *GetParam(); }
};

// 0 to two AVX-512 vectors and odd lengths around them.
constexpr int64_t kLengths[] = {0, 1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 256, 257};

// A vector at an address that is `offset` floats past an aligned one, with guards behind it.
struct Guarded {
  Guarded(const std::vector<float>& x, int offset) : data(x.size() + 32, 12345.0f), at(offset) {
    std::copy(x.begin(), x.end(), data.begin() + offset);
  }
  float* get() { return data.data() + at; }
  void ExpectGuards(size_t n) const {
    for (size_t i = 0; i < static_cast<size_t>(at); ++i) ASSERT_EQ(data[i], 12345.0f);
    for (size_t i = static_cast<size_t>(at) + n; i < data.size(); ++i) ASSERT_EQ(data[i], 12345.0f);
  }
  std::vector<float> data;
  int at;
};

TEST_P(RowsTest, RmsNorm) {
  Rng rng(1);
  for (int64_t n : kLengths) {
    if (n == 0) continue;
    for (int offset : {0, 1, 5}) {
      const auto x = RandomFloats(rng, static_cast<size_t>(n), 3);
      const auto w = RandomFloats(rng, static_cast<size_t>(n), 2);
      Guarded out(x, offset);
      kernels().rms_norm(out.get(), w.data(), n, 1e-5f, out.get());
      double squares = 0;
      for (float v : x) squares += static_cast<double>(v) * static_cast<double>(v);
      const double inverse = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-5);
      for (size_t i = 0; i < x.size(); ++i) {
        const double want = static_cast<double>(x[i]) * inverse * static_cast<double>(w[i]);
        // The sum of squares is off by at most n * eps relative, its root by half; three roundings.
        ASSERT_NEAR(out.get()[i], want,
                    (static_cast<double>(n) / 2 + 4) * kEps * std::abs(want) + 1e-30);
      }
      out.ExpectGuards(x.size());
    }
  }
}

TEST_P(RowsTest, RotateHalves) {
  Rng rng(2);
  for (int64_t half : {1, 4, 8, 12, 16, 32, 40, 64}) {
    const auto x = RandomFloats(rng, static_cast<size_t>(2 * half));
    std::vector<float> c, s;
    for (int64_t i = 0; i < half; ++i) {
      c.push_back(std::cos(static_cast<float>(i)));
      s.push_back(std::sin(static_cast<float>(i)));
    }
    Guarded out(x, 3);
    kernels().rotate_halves(out.get(), c.data(), s.data(), half, out.get());
    for (size_t i = 0; i < static_cast<size_t>(half); ++i) {
      const double a = x[i], b = x[i + static_cast<size_t>(half)], cc = c[i], ss = s[i];
      ASSERT_NEAR(out.get()[i], a * cc - b * ss, 4 * kEps);
      ASSERT_NEAR(out.get()[i + static_cast<size_t>(half)], b * cc + a * ss, 4 * kEps);
    }
    out.ExpectGuards(x.size());
  }
}

TEST_P(RowsTest, SiluMul) {
  Rng rng(3);
  for (int64_t n : kLengths) {
    auto gate = RandomFloats(rng, static_cast<size_t>(n), 20);
    const auto up = RandomFloats(rng, static_cast<size_t>(n));
    if (n > 3) gate[0] = 100.0f, gate[1] = -100.0f, gate[2] = -1e6f, gate[3] = 0.0f;
    Guarded out(gate, 1);
    kernels().silu_mul(out.get(), up.data(), n, out.get());
    for (size_t i = 0; i < gate.size(); ++i) {
      const double g = gate[i];
      const double want = g / (1 + std::exp(-g)) * static_cast<double>(up[i]);
      // The exponent of e^-g is rounded, hence |g|.
      const double bound = (8 + std::abs(g)) * kEps;
      ASSERT_NEAR(out.get()[i], want, bound * std::abs(want) + 1e-30) << gate[i];
    }
    out.ExpectGuards(gate.size());
  }
}

TEST_P(RowsTest, AddAndConversionsAreExact) {
  Rng rng(4);
  for (int64_t n : kLengths) {
    const auto size = static_cast<size_t>(n);
    auto x = RandomFloats(rng, size, 1000);
    const auto y = RandomFloats(rng, size);
    if (n > 5) {
      x[0] = INFINITY, x[1] = -0.0f, x[2] = 1e-42f, x[3] = 1.00390625f, x[4] = 1.01171875f;
      x[5] = std::numeric_limits<float>::max();
    }
    Guarded sum(y, 7);
    kernels().add(x.data(), n, sum.get());
    for (size_t i = 0; i < size; ++i) ASSERT_EQ(sum.get()[i], y[i] + x[i]);
    sum.ExpectGuards(size);

    for (DType type : {DType::kBF16, DType::kF16}) {
      std::vector<uint16_t> narrow(size + 1, 77);
      kernels().narrow(type, x.data(), n, narrow.data());
      std::vector<float> back(size);
      kernels().widen(type, narrow.data(), n, back.data());
      for (size_t i = 0; i < size; ++i) {
        const uint16_t want = type == DType::kBF16 ? ToBFloat16(x[i]).bits : ToFloat16(x[i]).bits;
        ASSERT_EQ(narrow[i], want) << x[i];
        ASSERT_EQ(std::bit_cast<uint32_t>(back[i]),
                  std::bit_cast<uint32_t>(LoadElement(type, narrow.data(), i)));
      }
      ASSERT_EQ(narrow[size], 77);
    }
  }
  const std::vector<float> nan(16, std::bit_cast<float>(0x7f800001u));
  uint16_t narrow[16];
  kernels().narrow(DType::kBF16, nan.data(), 16, narrow);
  for (size_t i = 0; i < 16; ++i) {
    EXPECT_TRUE(std::isnan(LoadElement(DType::kBF16, narrow, i)));
  }
}

// Small integers make every sum exact, whatever its order.
TEST_P(RowsTest, DotRowsIsExactOnIntegers) {
  Rng rng(5);
  for (int64_t dim : {1, 8, 16, 31, 64, 200, 256}) {
    const int64_t n = 5;
    std::vector<float> rows, x;
    for (int64_t i = 0; i < n * dim; ++i) rows.push_back(static_cast<float>(rng.Below(17)) - 8);
    for (int64_t i = 0; i < dim; ++i) x.push_back(static_cast<float>(rng.Below(17)) - 8);
    for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
      std::vector<float> got(static_cast<size_t>(n) + 1, -1.5f);
      std::vector<float> stored(rows.size());
      for (size_t i = 0; i < rows.size(); ++i) StoreElement(type, stored.data(), i, rows[i]);
      kernels().dot_rows(type, stored.data(), n, dim, x.data(), got.data());
      for (int64_t r = 0; r < n; ++r) {
        float want = 0;
        for (int64_t i = 0; i < dim; ++i) {
          want += rows[static_cast<size_t>(r * dim + i)] * x[static_cast<size_t>(i)];
        }
        ASSERT_EQ(got[static_cast<size_t>(r)], want);
      }
      ASSERT_EQ(got.back(), -1.5f);
    }
  }
}

TEST_P(RowsTest, GemvIsExactOnIntegers) {
  Rng rng(6);
  for (int64_t k : {2, 6, 32, 100}) {
    for (int64_t n_panels : {1, 2, 5}) {
      const int64_t n = n_panels * kWeightPanel;
      std::vector<float> w(static_cast<size_t>(k * n)), f32(w.size());
      std::vector<BFloat16> bf16(w.size());
      std::vector<Float16> f16(w.size());
      for (int64_t i = 0; i < k; ++i) {
        for (int64_t c = 0; c < n; ++c) {
          const float x = static_cast<float>(rng.Below(9)) - 4;
          w[static_cast<size_t>(i * n + c)] = x;
          const int64_t panel = c / kWeightPanel, column = c % kWeightPanel;
          f32[static_cast<size_t>((panel * k + i) * kWeightPanel + column)] = x;
          f16[static_cast<size_t>((panel * k + i) * kWeightPanel + column)] = ToFloat16(x);
          bf16[static_cast<size_t>((panel * k + i / 2 * 2) * kWeightPanel + column * 2 + i % 2)] =
              ToBFloat16(x);
        }
      }
      for (int rows = 1; rows <= kGemvRows; ++rows) {
        std::vector<float> x;
        for (int64_t i = 0; i < rows * (k + 3); ++i) {
          x.push_back(static_cast<float>(rng.Below(9)) - 4);
        }
        for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
          const bool half = type == DType::kF16, narrow = type == DType::kBF16;
          std::vector<float> y(static_cast<size_t>(rows * n), -1);
          const GemvArgs args = {.w = narrow ? static_cast<const void*>(bf16.data())
                                      : half ? static_cast<const void*>(f16.data())
                                             : static_cast<const void*>(f32.data()),
                                 .k = k,
                                 .n_panels = n_panels,
                                 .x = x.data(),
                                 .x_stride = k + 3,
                                 .rows = rows,
                                 .y = y.data(),
                                 .y_stride = n};
          (narrow ? kernels().gemv_bf16 : half ? kernels().gemv_f16 : kernels().gemv_f32)(args);
          for (int r = 0; r < rows; ++r) {
            for (int64_t c = 0; c < n; ++c) {
              float want = 0;
              for (int64_t i = 0; i < k; ++i) {
                want += x[static_cast<size_t>(r * (k + 3) + i)] * w[static_cast<size_t>(i * n + c)];
              }
              ASSERT_EQ(y[static_cast<size_t>(r * n + c)], want) << kernels().isa;
            }
          }
        }
      }
      for (bool half : {false, true}) {
        std::vector<float> wide(static_cast<size_t>(k) * 70, -3);
        if (half) {
          kernels().unpack_f16(f16.data(), k, wide.data(), 70);
        } else {
          kernels().unpack_bf16(bf16.data(), k, wide.data(), 70);
        }
        for (int64_t i = 0; i < k; ++i) {
          for (int64_t c = 0; c < 70; ++c) {
            ASSERT_EQ(wide[static_cast<size_t>(i * 70 + c)],
                      c < kWeightPanel ? w[static_cast<size_t>(i * n + c)] : -3.0f);
          }
        }
      }
    }
  }
}

// Packing in any two pieces gives the bytes that the scalar reference gives at once.
TEST_P(RowsTest, PackingMatchesTheScalarLayout) {
  Rng rng(7);
  for (DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (int dim : {8, 16, 40, 64, 128}) {
      const int64_t stride = dim + 3;
      const auto rows = RandomFloats(rng, static_cast<size_t>(16 * stride));
      for (int cut = 0; cut <= 16; ++cut) {
        const size_t kb = KeyPanelBytes(type, dim), vb = ValuePanelBytes(type, dim);
        std::vector<std::byte> k0(kb), k1(kb), v0(vb), v1(vb);
        ScalarKernels().pack_keys(type, rows.data(), stride, 16, dim, 0, k0.data());
        ScalarKernels().pack_values(type, rows.data(), stride, 16, dim, 0, v0.data());
        kernels().pack_keys(type, rows.data(), stride, cut, dim, 0, k1.data());
        kernels().pack_keys(type, rows.data() + cut * stride, stride, 16 - cut, dim, cut,
                            k1.data());
        kernels().pack_values(type, rows.data(), stride, cut, dim, 0, v1.data());
        kernels().pack_values(type, rows.data() + cut * stride, stride, 16 - cut, dim, cut,
                              v1.data());
        ASSERT_EQ(k0, k1) << kernels().isa << " dim " << dim << " cut " << cut;
        ASSERT_EQ(v0, v1) << kernels().isa << " dim " << dim << " cut " << cut;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isa, RowsTest,
                         testing::ValuesIn(SupportedKernels().begin(), SupportedKernels().end()),
                         [](const auto& test) { return std::string(test.param->isa); });

TEST(Dispatch, ChoosesByName) {
  EXPECT_EQ((*ChooseKernels("scalar"))->isa, "scalar");
  EXPECT_TRUE(ChooseKernels("").ok());
  EXPECT_EQ(ChooseKernels("avx9").status().code(), StatusCode::kInvalidArgument);
  for (std::string_view known : {"avx2", "avx512", "avx512bf16", "neon"}) {
    const auto r = ChooseKernels(known);
    EXPECT_TRUE(r.ok() || r.status().code() == StatusCode::kUnsupported);
  }
}

}  // namespace
}  // namespace quarry::kernels
