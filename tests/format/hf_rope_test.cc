// The RoPE part of config.json.
#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "format/hf_config.h"

namespace quarry {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// 4 heads of 8.
Result<HfConfig> Parse(const json& changes, std::string_view architecture = "LlamaForCausalLM") {
  json config = {{"architectures", {architecture}},
                 {"hidden_size", 32},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 4},
                 {"intermediate_size", 128},
                 {"vocab_size", 256},
                 {"max_position_embeddings", 640}};
  config.update(changes);
  return ParseHfConfig(config.dump(), "c");
}

RopeSpec Rope(const json& changes, std::string_view architecture = "LlamaForCausalLM") {
  const Result<HfConfig> parsed = Parse(changes, architecture);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return parsed.ok() ? parsed->rope : RopeSpec();
}

std::string Error(const json& changes, std::string_view architecture = "LlamaForCausalLM") {
  return Parse(changes, architecture).status().message();
}

TEST(HfRope, LinearAndDynamic) {
  RopeSpec r = Rope({{"rope_theta", 5e5}, {"rope_scaling", {{"type", "linear"}, {"factor", 4}}}});
  EXPECT_EQ(r.kind, RopeKind::kLinear);
  EXPECT_EQ(r.base, 5e5);
  EXPECT_EQ(r.factor, 4);
  EXPECT_EQ(r.magnitude, 1);

  r = Rope({{"rope_scaling", {{"rope_type", "dynamic"}, {"factor", 2.0}}}});
  EXPECT_EQ(r.kind, RopeKind::kDynamic);
  EXPECT_EQ(r.factor, 2);
  EXPECT_EQ(r.max_positions, 640);
}

TEST(HfRope, AbsentNullAndDefault) {
  for (const json& scaling : {json(nullptr), json({{"type", "default"}}), json::object()}) {
    EXPECT_EQ(Rope({{"rope_scaling", scaling}}).kind, RopeKind::kDefault);
    EXPECT_EQ(Rope({{"rope_parameters", scaling}}).kind, RopeKind::kDefault);
  }
}

TEST(HfRope, Llama3) {
  const json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 160}};
  const RopeSpec r = Rope({{"rope_scaling", scaling}});
  EXPECT_EQ(r.kind, RopeKind::kLlama3);
  EXPECT_EQ(r.factor, 8);
  EXPECT_EQ(r.low_freq_factor, 1);
  EXPECT_EQ(r.high_freq_factor, 4);
  EXPECT_EQ(r.original_max_positions, 160);

  json no_original = scaling;
  no_original.erase("original_max_position_embeddings");
  EXPECT_THAT(Error({{"rope_scaling", no_original}}),
              HasSubstr("original_max_position_embeddings is missing"));
  json equal = scaling;
  equal["low_freq_factor"] = 4;
  EXPECT_EQ(Error({{"rope_scaling", equal}}),
            "c: rope_scaling.low_freq_factor is 4, must be below high_freq_factor (4)");
}

TEST(HfRope, Yarn) {
  json scaling = {{"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 160}};
  RopeSpec r = Rope({{"rope_scaling", scaling}});
  EXPECT_EQ(r.kind, RopeKind::kYarn);
  EXPECT_EQ(r.original_max_positions, 160);
  EXPECT_EQ(r.beta_fast, 32);
  EXPECT_EQ(r.beta_slow, 1);
  EXPECT_TRUE(r.truncate);
  EXPECT_DOUBLE_EQ(r.magnitude, 0.1 * std::log(4.0) + 1);

  r = Rope({{"rope_scaling",
             {{"type", "yarn"}, {"factor", 0.5}, {"beta_fast", 4}, {"truncate", false}}}});
  EXPECT_EQ(r.original_max_positions, 640) << "max_position_embeddings stands in";
  EXPECT_EQ(r.beta_fast, 4);
  EXPECT_FALSE(r.truncate);
  EXPECT_EQ(r.magnitude, 1);

  scaling["mscale"] = 0.5;
  EXPECT_DOUBLE_EQ(Rope({{"rope_scaling", scaling}}).magnitude, 0.1 * std::log(4.0) + 1)
      << "mscale alone has no say";
  scaling["mscale_all_dim"] = 2;
  EXPECT_DOUBLE_EQ(Rope({{"rope_scaling", scaling}}).magnitude,
                   (0.05 * std::log(4.0) + 1) / (0.2 * std::log(4.0) + 1));
  scaling["attention_factor"] = 1.25;
  EXPECT_EQ(Rope({{"rope_scaling", scaling}}).magnitude, 1.25);
}

TEST(HfRope, LongRope) {
  const json lists = {
      {"type", "longrope"}, {"short_factor", {1, 1.1, 1.2, 1.3}}, {"long_factor", {2, 3, 4, 5}}};
  const json config = {{"rope_scaling", lists}, {"original_max_position_embeddings", 160}};
  RopeSpec r = Rope(config, "Phi3ForCausalLM");
  EXPECT_EQ(r.kind, RopeKind::kLongRope);
  EXPECT_EQ(r.original_max_positions, 160);
  EXPECT_EQ(r.factor, 4);
  EXPECT_THAT(r.short_factor, ElementsAre(1, 1.1, 1.2, 1.3));
  EXPECT_THAT(r.long_factor, ElementsAre(2, 3, 4, 5));
  EXPECT_DOUBLE_EQ(r.magnitude, std::sqrt(1 + std::log(4.0) / std::log(160.0)));

  for (const char* older : {"su", "yarn"}) {
    json renamed = config;
    renamed["rope_scaling"]["type"] = older;
    EXPECT_EQ(Rope(renamed, "Phi3ForCausalLM"), r) << older;
  }
  json in_dict = {{"rope_scaling", lists}};
  in_dict["rope_scaling"]["original_max_position_embeddings"] = 640;
  EXPECT_EQ(Rope(in_dict, "MiniCPMForCausalLM").magnitude, 1);

  json halves = config;
  halves["partial_rotary_factor"] = 0.75;
  EXPECT_EQ(Error(halves, "Phi3ForCausalLM"),
            "c: rope_scaling.short_factor has 4 entries, must be a list of 3 numbers between "
            "1e-06 and 1000000");
  EXPECT_THAT(Error({{"rope_scaling", lists}}, "Phi3ForCausalLM"),
              HasSubstr("original_max_position_embeddings is missing"));
}

TEST(HfRope, RopeParametersOfTransformers5) {
  RopeSpec r = Rope({{"rope_parameters",
                      {{"rope_type", "yarn"},
                       {"rope_theta", 20000.0},
                       {"factor", 4.0},
                       {"attention_factor", 1.25},
                       {"beta_fast", 4.0},
                       {"original_max_position_embeddings", 160}}}});
  EXPECT_EQ(r.kind, RopeKind::kYarn);
  EXPECT_EQ(r.base, 20000);
  EXPECT_EQ(r.magnitude, 1.25);

  // The dictionary counts before the top level, and before the older dictionary.
  r = Rope({{"rope_theta", 7.0},
            {"rope_scaling", {{"type", "linear"}, {"factor", 4}}},
            {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 50000}}}});
  EXPECT_EQ(r.kind, RopeKind::kDefault);
  EXPECT_EQ(r.base, 50000);
  EXPECT_EQ(Rope({{"rope_theta", 7.0}, {"rope_parameters", {{"rope_type", "default"}}}}).base, 7);

  r = Rope({{"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.25}}},
            {"partial_rotary_factor", 1.0}},
           "GlmForCausalLM");
  EXPECT_EQ(r.rotated_dims, 2);
}

TEST(HfRope, OneDictionaryPerKindOfLayer) {
  const json full = {{"rope_type", "default"}, {"rope_theta", 1e6}};
  const json other = {{"rope_type", "default"}, {"rope_theta", 1e4}};
  EXPECT_EQ(Rope({{"rope_parameters", {{"full_attention", full}}}}).base, 1e6);
  EXPECT_EQ(Rope({{"rope_parameters", {{"full_attention", full}, {"sliding_attention", full}}}},
                 "MistralForCausalLM")
                .base,
            1e6);
  const json two = {{"rope_parameters", {{"full_attention", full}, {"sliding_attention", other}}}};
  EXPECT_EQ(Rope(two).base, 1e6) << "no layer slides";
  EXPECT_EQ(Error(two, "MistralForCausalLM"),
            "c: rope_parameters differs between full_attention and sliding_attention layers, must "
            "be the same");
}

TEST(HfRope, PartialRotation) {
  EXPECT_EQ(Rope(json::object(), "GlmForCausalLM").rotated_dims, 4);
  EXPECT_EQ(Rope({{"partial_rotary_factor", 0.75}}, "Phi3ForCausalLM").rotated_dims, 6);
  EXPECT_THAT(Error({{"partial_rotary_factor", 0.4}}, "Phi3ForCausalLM"),
              HasSubstr("0.4 of head_dim 8 rotate 3 dimensions, must be even and at least 2"));
  EXPECT_THAT(Error({{"partial_rotary_factor", 0}}, "Phi3ForCausalLM"),
              HasSubstr("rotate 0 dimensions"));
}

TEST(HfRope, NamesWhatIsWrong) {
  struct Row {
    json scaling;
    std::string_view message;
  };
  for (const Row& row : {
           Row{{{"type", "ntk"}, {"factor", 2}},
               "c: rope_scaling.type is \"ntk\", must be one of default, linear, dynamic, llama3, "
               "yarn, longrope"},
           Row{{{"factor", 2}}, "c: rope_scaling.type is missing, there is a factor"},
           Row{{{"type", 3}}, "c: rope_scaling.type is 3, must be a string"},
           Row{{{"type", "linear"}}, "c: rope_scaling.factor is missing, must be a number"},
           Row{{{"type", "linear"}, {"factor", 0}}, "c: rope_scaling.factor is 0, must be"},
           Row{{{"type", "linear"}, {"factor", "4"}}, "c: rope_scaling.factor is \"4\", must be"},
           Row{{{"type", "yarn"}, {"factor", 4}, {"beta_fast", 1}, {"beta_slow", 2}},
               "c: rope_scaling.beta_fast is 1, must not be below beta_slow (2)"},
           Row{{{"type", "default"}, {"mrope_section", {1, 2}}},
               "c: rope_scaling.mrope_section is a list, must be absent"},
           Row{"linear", "c: rope_scaling is \"linear\", must be an object"},
       }) {
    EXPECT_THAT(Error({{"rope_scaling", row.scaling}}), HasSubstr(row.message));
  }
  EXPECT_THAT(Error({{"head_dim", 2}, {"rope_scaling", {{"type", "dynamic"}, {"factor", 2}}}}),
              HasSubstr("is dynamic, which needs more than 2 rotated dimensions, there are 2"));
}

}  // namespace
}  // namespace quarry
