#include <cmath>
#include <cstring>

#include "kernels/scalar/scalar_kernels.h"

namespace quarry::kernels::scalar {
namespace {

float LoadF16(const uint8_t* p) {
  uint16_t bits;
  std::memcpy(&bits, p, 2);
  return ToFloat(Float16{bits});
}

// One row of a strip.
class StripRow {
 public:
  StripRow(WeightType type, const uint8_t* strip, int row)
      : type_(type), layout_(LayoutOf(type)), strip_(strip), row_(row) {}

  const QuantLayout& layout() const { return layout_; }

  int Code(int64_t input) const {
    const uint8_t* group = Header(input) + layout_.header_bytes +
                           input / kGroupInputs % layout_.super_groups * layout_.group_bytes;
    const int chunk = static_cast<int>(input % kGroupInputs) / 4;
    const int lane = 4 * row_ + static_cast<int>(input % 4);
    if (layout_.bits == 8) return group[64 * chunk + lane];
    int high = 0;
    if (layout_.bits == 5) {
      high = group[lane] >> chunk & 1;
      group += 64;
    } else if (layout_.bits == 6) {
      high = group[64 * (chunk / 4) + lane] >> 2 * (chunk % 4) & 3;
      group += 128;
    }
    const uint8_t byte = group[64 * (chunk / 2) + lane];
    return (chunk % 2 == 0 ? byte & 15 : byte >> 4) | high << 4;
  }

  // value = scale * (code - offset) - minimum, from `input` on.
  void Scales(int64_t input, float& scale, float& minimum) const {
    const uint8_t* h = Header(input);
    const float d = LoadF16(h + 2 * row_);
    const int j = static_cast<int>(input / kGroupInputs % layout_.super_groups);
    minimum = 0;
    switch (type_) {
      case WeightType::kQ4_1:
      case WeightType::kQ5_1:
        scale = d;
        minimum = -LoadF16(h + 32 + 2 * row_);
        return;
      case WeightType::kQ4_K:
      case WeightType::kQ5_K: {
        const int low = h[64 + 16 * j + row_];
        const int high = h[192 + 16 * (j % 4) + row_] >> 4 * (j / 4);
        scale = d * static_cast<float>((low & 15) | (high & 3) << 4);
        minimum = LoadF16(h + 32 + 2 * row_) * static_cast<float>(low >> 4 | (high >> 2 & 3) << 4);
        return;
      }
      case WeightType::kQ6_K:
        scale = d * static_cast<float>(static_cast<int8_t>(h[32 + input % 256 / 16 * 16 + row_]));
        return;
      default:
        scale = d;
    }
  }

 private:
  const uint8_t* Header(int64_t input) const {
    const int64_t inputs = kGroupInputs * layout_.super_groups;
    return strip_ +
           input / inputs * (layout_.header_bytes + layout_.super_groups * layout_.group_bytes);
  }

  WeightType type_;
  QuantLayout layout_;
  const uint8_t* strip_;
  int row_;
};

StripRow RowOfPanel(WeightType type, const void* panel, int64_t k, int column) {
  const auto* strip =
      static_cast<const uint8_t*>(panel) + column / kStripRows * StripBytes(type, k);
  return {type, strip, column % kStripRows};
}

// Calls f(input, value) for the inputs of one row of W.
template <typename F>
void ForValues(WeightType type, const void* panel, int64_t k, int column, F f) {
  const StripRow row = RowOfPanel(type, panel, k, column);
  float scale = 0, minimum = 0;
  for (int64_t i = 0; i < k; ++i) {
    if (i % row.layout().scale_inputs == 0) row.Scales(i, scale, minimum);
    f(i, scale * static_cast<float>(row.Code(i) - row.layout().offset) - minimum);
  }
}

}  // namespace

void QuantizeInputs(const float* x, int64_t k, InputGroup* out) {
  for (int64_t g = 0; g < k / kGroupInputs; ++g) {
    const float* from = x + g * kGroupInputs;
    InputGroup& to = out[g];
    float largest = 0, none = 0;
    for (int i = 0; i < kGroupInputs; ++i) {
      largest = std::fmax(largest, std::fabs(from[i]));
      none += 0 * from[i];  // NaN if any is not finite
    }
    to.scale = largest / 127 + none;
    const float inverse = none == 0 && largest >= kSmallestInput ? 127 / largest : 0;
    to.sum[0] = to.sum[1] = 0;
    for (int i = 0; i < kGroupInputs; ++i) {
      const auto q = inverse > 0 ? static_cast<int>(std::nearbyintf(from[i] * inverse)) : 0;
      to.q[i] = static_cast<int8_t>(q);
      to.sum[i / 16] += q;
    }
  }
}

void GemvQuant(const GemvQuantArgs& a) {
  for (int column = 0; column < kWeightPanel; ++column) {
    const StripRow row = RowOfPanel(a.type, a.w, a.k, column);
    const int step = row.layout().scale_inputs;
    float sums[kGemvRows] = {};
    for (int64_t i = 0; i < a.k; i += step) {
      float scale, minimum;
      row.Scales(i, scale, minimum);
      int codes[kGroupInputs];
      for (int e = 0; e < step; ++e) codes[e] = row.Code(i + e) - row.layout().offset;
      for (int r = 0; r < a.rows; ++r) {
        const InputGroup& x = a.x[r * a.x_stride + i / kGroupInputs];
        int32_t dot = 0, sum = 0;
        for (int e = 0; e < step; ++e) {
          const int q = x.q[i % kGroupInputs + e];
          dot += codes[e] * q;
          sum += q;
        }
        sums[r] += x.scale * (scale * static_cast<float>(dot) - minimum * static_cast<float>(sum));
      }
    }
    for (int r = 0; r < a.rows; ++r) a.y[r * a.y_stride + column] = sums[r];
  }
}

void UnpackQuant(WeightType type, const void* panel, int64_t k, float* out, int64_t out_stride) {
  for (int c = 0; c < kWeightPanel; ++c) {
    ForValues(type, panel, k, c, [&](int64_t i, float v) { out[i * out_stride + c] = v; });
  }
}

void UnpackQuantBf16(WeightType type, const void* panel, int64_t k, BFloat16* out) {
  for (int c = 0; c < kWeightPanel; ++c) {
    ForValues(type, panel, k, c, [&](int64_t i, float v) {
      out[i / 2 * 2 * kWeightPanel + c * 2 + i % 2] = ToBFloat16(v);
    });
  }
}

}  // namespace quarry::kernels::scalar
