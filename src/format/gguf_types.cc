#include <fmt/format.h>

#include "format/gguf.h"

namespace quarry {
namespace {

struct GgmlType {
  uint32_t id;
  std::string_view name;
  WeightBlock block;
  std::optional<WeightType> type;  // set if Quarry computes with it
};
// Types without a size here are of no published model.
constexpr GgmlType kGgmlTypes[] = {
    {0, "F32", {1, 4}, WeightType::kF32},
    {1, "F16", {1, 2}, WeightType::kF16},
    {2, "Q4_0", {32, 18}, WeightType::kQ4_0},
    {3, "Q4_1", {32, 20}, WeightType::kQ4_1},
    {6, "Q5_0", {32, 22}, WeightType::kQ5_0},
    {7, "Q5_1", {32, 24}, WeightType::kQ5_1},
    {8, "Q8_0", {32, 34}, WeightType::kQ8_0},
    {9, "Q8_1", {32, 36}, {}},
    {10, "Q2_K", {256, 84}, {}},
    {11, "Q3_K", {256, 110}, {}},
    {12, "Q4_K", {256, 144}, WeightType::kQ4_K},
    {13, "Q5_K", {256, 176}, WeightType::kQ5_K},
    {14, "Q6_K", {256, 210}, WeightType::kQ6_K},
    {15, "Q8_K", {256, 292}, {}},
    {16, "IQ2_XXS", {256, 66}, {}},
    {17, "IQ2_XS", {256, 74}, {}},
    {18, "IQ3_XXS", {256, 98}, {}},
    {19, "IQ1_S", {256, 50}, {}},
    {20, "IQ4_NL", {32, 18}, {}},
    {21, "IQ3_S", {256, 110}, {}},
    {22, "IQ2_S", {256, 82}, {}},
    {23, "IQ4_XS", {256, 136}, {}},
    {24, "I8", {1, 1}, {}},
    {25, "I16", {1, 2}, {}},
    {26, "I32", {1, 4}, {}},
    {27, "I64", {1, 8}, {}},
    {28, "F64", {1, 8}, {}},
    {29, "IQ1_M", {256, 56}, {}},
    {30, "BF16", {1, 2}, WeightType::kBF16},
    {34, "TQ1_0", {256, 54}, {}},
    {35, "TQ2_0", {256, 66}, {}},
    {39, "MXFP4", {32, 17}, {}},
};

const GgmlType* FindType(uint32_t id) {
  for (const GgmlType& t : kGgmlTypes) {
    if (t.id == id) return &t;
  }
  return nullptr;
}

}  // namespace

std::string_view GgufTypeName(GgufType type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
                                         "bool", "string", "array", "u64", "i64", "f64"};
  const auto i = static_cast<size_t>(type);
  return i < std::size(kNames) ? kNames[i] : "?";
}

std::optional<WeightBlock> GgmlBlockOf(uint32_t ggml_type) {
  const GgmlType* t = FindType(ggml_type);
  if (t == nullptr) return std::nullopt;
  return t->block;
}

std::string GgmlTypeName(uint32_t ggml_type) {
  const GgmlType* t = FindType(ggml_type);
  return fmt::format("{} ({})", t == nullptr ? "unknown" : t->name, ggml_type);
}

uint32_t GgmlTypeOf(WeightType type) {
  for (const GgmlType& t : kGgmlTypes) {
    if (t.type == type) return t.id;
  }
  return 0;
}

std::optional<WeightType> WeightTypeOfGgml(uint32_t ggml_type) {
  const GgmlType* t = FindType(ggml_type);
  return t == nullptr ? std::nullopt : t->type;
}

}  // namespace quarry
