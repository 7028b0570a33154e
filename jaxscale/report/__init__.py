"""What people look at: figures (`plots`) and one self-contained page (`html`). Only this package needs matplotlib."""
