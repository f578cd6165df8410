// A small writer of SVG 1.1: rectangles, lines, texts.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace quarry::eval {

struct Colour {
  uint8_t red = 0;
  uint8_t green = 0;
  uint8_t blue = 0;
  friend bool operator==(const Colour&, const Colour&) = default;
};

std::string HexColour(Colour colour);  // "#F0496E"
// Between colours at 0, 1/2 and 1, linear in each channel; values outside are clamped.
Colour ScaleColour(double value, Colour at_zero, Colour at_half, Colour at_one);

enum class TextAnchor { kStart, kMiddle, kEnd };

// Coordinates in pixels from the upper left corner.
class SvgWriter {
 public:
  SvgWriter(double width, double height);

  // `tip` is shown when the pointer rests there; may be empty.
  void Rectangle(double x, double y, double width, double height, Colour fill,
                 std::string_view tip = {});
  void Line(double x1, double y1, double x2, double y2, Colour colour, double width = 1);
  // (x, y) is on the baseline. `degrees` turns the text about it, clockwise.
  void Text(double x, double y, std::string_view text, double size,
            TextAnchor anchor = TextAnchor::kMiddle, double degrees = 0);
  void Circle(double x, double y, double radius, Colour fill, std::string_view tip = {});

  // The whole document.
  std::string Finish() const;

 private:
  double width_;
  double height_;
  std::string body_;
};

}  // namespace quarry::eval
