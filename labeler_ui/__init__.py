"""The labeling pages: a Streamlit app whose hot loop is one custom component."""
