// Reads .npy files (version 1.0, C order, little endian) of f2, f4, f8, i4 and u1.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace quarry {

struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<float> f32;  // of f2 and f4; one of these holds the data
  std::vector<double> f64;
  std::vector<int32_t> i32;  // of i4 and u1

  int64_t size() const {
    int64_t n = 1;
    for (int64_t s : shape) n *= s;
    return n;
  }
};

// Throws std::runtime_error naming the file.
NpyArray ReadNpy(const std::filesystem::path& path);

}  // namespace quarry
