//! Text in the image of the window.

use ab_glyph::{point, Font as _, FontRef, PxScale, ScaleFont};

/// A font, at one size.
pub(crate) struct Font {
    font: FontRef<'static>,
    scale: PxScale,
}

impl Font {
    pub(crate) fn new(pixels: f32) -> Font {
        let font = FontRef::try_from_slice(epaint_default_fonts::HACK_REGULAR).expect("it is a font");
        Font { font, scale: PxScale::from(pixels) }
    }

    /// Draws one line from a point on its base line on, into the rows of an image, which may be too small. Gives where the
    /// line ends.
    pub(crate) fn draw(
        &self,
        image: &mut [u32],
        width: u32,
        (mut x, y): (f32, f32),
        text: &str,
        colour: u32,
    ) -> f32 {
        let font = self.font.as_scaled(self.scale);
        for character in text.chars() {
            let glyph = font.scaled_glyph(character);
            let (id, mut glyph) = (glyph.id, glyph);
            glyph.position = point(x, y);
            x += font.h_advance(id);
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let corner = outline.px_bounds().min;
            outline.draw(|column, row, coverage| {
                let (left, top) = (corner.x as i64 + i64::from(column), corner.y as i64 + i64::from(row));
                if (0..i64::from(width)).contains(&left) {
                    let place = usize::try_from(top * i64::from(width) + left);
                    if let Some(pixel) = place.ok().and_then(|place| image.get_mut(place)) {
                        *pixel = blend(*pixel, colour, coverage);
                    }
                }
            });
        }
        x
    }
}

fn blend(below: u32, above: u32, part: f32) -> u32 {
    [16, 8, 0].into_iter().fold(0, |sum, shift| {
        let [below, above] = [below, above].map(|colour| (colour >> shift & 0xff) as f32);
        sum | ((below + (above - below) * part.clamp(0.0, 1.0)).round() as u32) << shift
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_where_it_was_put() {
        let (width, height) = (60, 30);
        let mut image = vec![0; width * height];
        let font = Font::new(14.0);
        let end = font.draw(&mut image, width as u32, (10.0, 20.0), "Hg", 0xffffff);
        assert!((20.0..40.0).contains(&end), "{end}");
        let inked: Vec<_> = (0..image.len()).filter(|&place| image[place] != 0).collect();
        assert!(inked.iter().all(|place| (10..end as usize).contains(&(place % width))));
        assert!(inked.iter().all(|place| (8..25).contains(&(place / width))));
        assert!(image.contains(&0xffffff));
        // What does not fit is cut off.
        font.draw(&mut image, width as u32, (-5.0, 1e6), "much too long a text for it", 0xffffff);
        font.draw(&mut image, width as u32, (50.0, 3.0), "much too long a text for it", 0xffffff);
    }
}
