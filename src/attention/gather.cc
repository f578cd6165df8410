#include "attention/gather.h"

#include <cstring>

#include "kernels/panel.h"

namespace quarry {
namespace {

using kernels::kPanelTokens;

// T is a key's unit in a panel: a pair of bf16 channels, or one f32 channel.
void GatherKeys(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* out) {
  const int units = s.dtype == DType::kF32 ? s.head_dim : s.head_dim / 2;
  auto* to = reinterpret_cast<uint32_t*>(out);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto* from = reinterpret_cast<const uint32_t*>(
                           s.kv->panel(s.layer, s.keys, s.kv_head, tokens[i] / kPanelTokens)) +
                       tokens[i] % kPanelTokens;
    for (int u = 0; u < units; ++u) to[u * kPanelTokens + static_cast<int>(i)] = from[u * 16];
  }
}

template <typename Element>
void GatherValues(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* out) {
  const int stride = kernels::ValueStride(s.head_dim);
  auto* to = reinterpret_cast<Element*>(out);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const auto* from = reinterpret_cast<const Element*>(
        s.kv->panel(s.layer, KvPlane::kValues, s.kv_head, tokens[i] / kPanelTokens));
    const int lane = static_cast<int>(tokens[i] % kPanelTokens);
    for (int c = 0; c < s.head_dim; ++c) {
      to[kernels::ValueIndex(s.dtype, stride, static_cast<int>(i), c)] =
          from[kernels::ValueIndex(s.dtype, stride, lane, c)];
    }
  }
}

}  // namespace

void GatherPanel(const GatherSource& s, std::span<const TokenPos> tokens, std::byte* keys,
                 std::byte* values) {
  std::memset(keys, 0, kernels::KeyPanelBytes(s.dtype, s.head_dim));
  std::memset(values, 0, kernels::ValuePanelBytes(s.dtype, s.head_dim));
  GatherKeys(s, tokens, keys);
  if (s.dtype == DType::kF32) {
    GatherValues<float>(s, tokens, values);
  } else {
    GatherValues<uint16_t>(s, tokens, values);
  }
}

}  // namespace quarry
